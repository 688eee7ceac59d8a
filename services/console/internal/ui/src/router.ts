// The address of the page is its state: what is shown, filtered and selected.
import { computed, signal } from "@preact/signals";

export const root = "/console";

const address = signal(new URL(location.href));
addEventListener("popstate", () => (address.value = new URL(location.href)));

// segments are the parts of the path below /console: ["orders", "0198…"].
export const segments = computed(() =>
  address.value.pathname.slice(root.length).split("/").filter(Boolean).map(decodeURIComponent));

export const parameters = computed(() => address.value.searchParams);

export const parameter = (name: string): string => parameters.value.get(name) ?? "";

// href returns the address of a page: href("orders", id).
export const href = (...parts: string[]): string => root + "/" + parts.map(encodeURIComponent).join("/");

export function go(to: string, replace = false): void {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  const before = address.peek().pathname;
  address.value = new URL(location.href);
  if (before !== address.peek().pathname) {
    scrollTo(0, 0);
    // Screen readers announce the new heading, and the keyboard goes on from there.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true }));
  }
}

// setParameters changes parameters of the address; an empty value removes one.
export function setParameters(changes: Record<string, string>, replace = true): void {
  const next = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") next.searchParams.delete(name);
    else next.searchParams.set(name, value);
  }
  go(next.pathname + next.search, replace);
}

// followLinks shows pages of the console without loading the page again.
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.("a");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname !== root && !link.pathname.startsWith(root + "/")) return;
    if (link.pathname.startsWith(root + "/api/") || link.pathname.startsWith(root + "/assets/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
