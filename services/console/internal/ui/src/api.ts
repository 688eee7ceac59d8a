// Calls of the console's API.
import { signal } from "@preact/signals";
import type { Session } from "./view";

export const base = "/console/api/";

// session is null if the admin is not signed in, undefined until that is known.
export const session = signal<Session | null | undefined>(undefined);

// Problem is an answer that is not a success: RFC 9457, or no answer at all.
export class Problem extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["X-Troupe-Console"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, "The console does not answer. The services go on without it; this page tries again.");
  }
  if (response.status === 401 && !path.startsWith("login")) session.value = null;
  if (!response.ok) throw new Problem(response.status, await detail(response));
  if (response.status === 204) return undefined as T;
  if (!response.headers.get("Content-Type")?.includes("json")) throw new Problem(response.status, "The console answered with something else than data: reload the page.");
  return (await response.json()) as T;
}

// detail returns the sentence of a problem document.
async function detail(response: Response): Promise<string> {
  try {
    const problem = await response.json();
    return problem.detail || problem.title || `The console answered ${response.status}.`;
  } catch {
    return `The console answered ${response.status}.`;
  }
}

export const get = <T>(path: string) => call<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}) => call<T>("POST", path, body);
export const remove = <T>(path: string) => call<T>("DELETE", path);

// query returns parameters as the end of a path; those without a value are left out.
export function query(parameters: Record<string, string | number | undefined>): string {
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  return set.length === 0 ? "" : "?" + new URLSearchParams(set.map(([k, v]) => [k, String(v)])).toString();
}

// signIn reads the session. A link of the program carries a token, which is taken out of
// the address before anything else is requested.
export async function signIn(): Promise<void> {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token !== null) {
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
    try {
      session.value = await signedIn(post("login/token", { token }));
      return;
    } catch {
      // The token is used up or wrong: the browser may have a session nevertheless.
    }
  }
  try {
    session.value = await get<Session>("session");
  } catch {
    session.value = null;
  }
}

// signedIn returns the session that a login began.
export async function signedIn(login: Promise<unknown>): Promise<Session> {
  await login;
  return get<Session>("session");
}

export async function signOut(): Promise<void> {
  await post("logout");
  session.value = null;
}
