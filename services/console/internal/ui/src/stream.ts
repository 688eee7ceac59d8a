// The one stream of server-sent events of a tab. It is closed while the tab is hidden, and
// what it brings is handed on at most ten times per second.
import { effect, signal } from "@preact/signals";
import { base, session } from "./api";
import type { Entry, Overview } from "./view";

// most is how many entries the tail keeps.
export const most = 5000;
const flushEvery = 100; // milliseconds

type State = "connecting" | "live" | "closed" | "lost";

export const state = signal<State>("connecting");
export const overview = signal<Overview | null>(null);
export const lost = signal(0); // entries that the stream has left out
export const lastAt = signal(0); // when the last entry came, by the clock of the browser
export const perSecond = signal<number[]>(new Array(60).fill(0));
export const received = signal(0); // entries, since the page was loaded
export const revision = signal(0); // changes with tail

// tail has the newest entries, the newest last. It is one array that changes in place.
export const tail: Entry[] = [];

type Listener = (entries: Entry[]) => void;
const listeners = new Set<Listener>();

// onEntries calls listener with what came since its last call. It returns a function that
// ends this.
export function onEntries(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// arrival waits until the first entry about an order has come, because the console knows the
// order only then. It waits only so long.
export function arrival(order: string): Promise<void> {
  const about = (entries: Entry[]) => entries.some(({ order_id }) => order_id === order);
  if (about(tail)) return Promise.resolve();
  return new Promise((done) => {
    const finish = () => { end(); clearTimeout(limit); done(); };
    const end = onEntries((entries) => about(entries) && finish());
    const limit = setTimeout(finish, 5000);
  });
}

let source: EventSource | null = null;
let pending: Entry[] = [];
let timer = 0;
let newest: Entry | undefined;
let thisSecond = 0;

function flush(): void {
  timer = 0;
  const entries = pending;
  pending = [];
  if (entries.length === 0) return;
  thisSecond += entries.length;
  tail.push(...entries);
  if (tail.length > most * 1.2) tail.splice(0, tail.length - most);
  lastAt.value = Date.now();
  received.value += entries.length;
  revision.value++;
  for (const listener of listeners) listener(entries);
}

function add(entry: Entry): void {
  if (newest && entry.seq <= newest.seq && entry.at <= newest.at) return; // sent again after a reconnection
  newest = entry;
  pending.push(entry);
  if (pending.length > most * 2) lost.value += pending.splice(0, pending.length - most).length;
  timer ||= window.setTimeout(flush, flushEvery);
}

// seed puts history before what the stream brings.
export function seed(entries: Entry[]): void {
  const fresh = entries.filter((entry) => tail.length === 0 || entry.seq < tail[0].seq);
  if (fresh.length === 0) return;
  tail.unshift(...fresh);
  if (tail.length > most) tail.splice(0, tail.length - most);
  newest ??= tail[tail.length - 1];
  revision.value++;
}

function open(): void {
  if (source || document.hidden || !session.peek()) return;
  state.value = "connecting";
  source = new EventSource(base + "stream");
  source.addEventListener("open", () => (state.value = "live"));
  source.addEventListener("error", () => {
    state.value = "lost";
    if (source?.readyState === EventSource.CLOSED) { // refused, so the browser does not try again
      close("lost");
      setTimeout(open, 3000);
    }
  });
  source.addEventListener("entry", (event) => add(JSON.parse(event.data)));
  source.addEventListener("overview", (event) => (overview.value = JSON.parse(event.data)));
  source.addEventListener("gap", (event) => (lost.value += JSON.parse(event.data).lost));
}

function close(why: State): void {
  source?.close();
  source = null;
  state.value = why;
}

// run keeps the stream open while somebody is signed in and looks at the tab.
export function run(): void {
  document.addEventListener("visibilitychange", () => (document.hidden ? close("closed") : open()));
  addEventListener("pagehide", () => close("closed"));
  effect(() => (session.value ? open() : close("closed")));
  setInterval(() => {
    perSecond.value = [...perSecond.peek().slice(1), thisSecond];
    thisSecond = 0;
  }, 1000);
}
