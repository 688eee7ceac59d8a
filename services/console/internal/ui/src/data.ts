// What pages read from the API, and the clock that they show ages by.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem } from "./api";

// now is the time, each second, while the tab is visible.
export const now = signal(Date.now());
setInterval(() => document.hidden || (now.value = Date.now()), 1000);

export interface Data<T> {
  value: T | undefined;
  problem: Problem | undefined;
  reload: () => Promise<void>;
}

// useData reads path, and again each few seconds while the tab is visible if every is set.
// What was read stays while it is read again.
export function useData<T>(path: string | null, every = 0): Data<T> {
  const [result, set] = useState<{ path: string; value?: T; problem?: Problem }>({ path: "" });
  const latest = useRef(path);
  latest.current = path;
  const reload = async () => {
    if (path === null) return;
    try {
      const value = await get<T>(path);
      if (latest.current === path) set({ path, value });
    } catch (error) {
      if (latest.current === path) set((old) => ({ path, value: old.path === path ? old.value : undefined, problem: error as Problem }));
    }
  };
  useEffect(() => {
    void reload();
    if (!every) return;
    const timer = setInterval(() => document.hidden || void reload(), every);
    return () => clearInterval(timer);
  }, [path, every]);
  const current = result.path === path ? result : { value: undefined, problem: undefined };
  return { value: current.value, problem: current.problem, reload };
}

// useAction runs one call at a time, and keeps the sentence of its failure.
export function useAction(): { busy: boolean; failure: string; run: (act: () => Promise<void>) => Promise<void> } {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const run = async (act: () => Promise<void>) => {
    setBusy(true);
    setFailure("");
    try {
      await act();
    } catch (error) {
      setFailure((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, run };
}

// announce has screen readers read out that something happened.
export const announcement = signal("");
export function announce(text: string): void {
  announcement.value = "";
  setTimeout(() => (announcement.value = text), 50);
}
