// How values are written on the pages. All functions are pure.
import type { Money } from "./view";

// duration returns microseconds as people write a time that has passed: 850 µs, 12 ms, 1.2 s, 4 m 10 s.
export function duration(us: number): string {
  if (us < 0) return "0 ms";
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 10_000) return `${(us / 1000).toFixed(1)} ms`;
  if (us < 1_000_000) return `${Math.round(us / 1000)} ms`;
  const seconds = us / 1_000_000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return join([Math.floor(whole / 60), "m"], [whole % 60, "s"]);
  if (whole < 86_400) return join([Math.floor(whole / 3600), "h"], [Math.floor((whole % 3600) / 60), "m"]);
  return join([Math.floor(whole / 86_400), "d"], [Math.floor((whole % 86_400) / 3600), "h"]);
}

type Part = [number, string];

function join(first: Part, second: Part): string {
  return second[0] === 0 ? first.join(" ") : `${first.join(" ")} ${second.join(" ")}`;
}

// age returns how long ago a time is, in one unit.
export function age(at: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false,
});

// clock returns the time of day with milliseconds, in the zone of the browser.
export const clock = (at: string): string => clockFormat.format(new Date(at));

const dateFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

// moment returns a date and a time of day.
export const moment = (at: string): string => `${dateFormat.format(new Date(at))}, ${clock(at)}`;

export function money({ amount, currency }: Money): string {
  if (!currency) return "–";
  return new Intl.NumberFormat("en-GB", { style: "currency", currency }).format(amount / 100);
}

// eventName returns a type without its version: order.created.v1 is order.created.
export const eventName = (type: string): string => type.replace(/\.v\d+$/, "");

// shortID returns the end of an id, which differs between two ids made at one time.
export const shortID = (id: string): string => (id.length > 12 ? "…" + id.slice(-8) : id);

export const count = (n: number, one: string, many = one + "s"): string =>
  `${n.toLocaleString("en-GB")} ${n === 1 ? one : many}`;

export const rate = (perSecond: number): string =>
  perSecond === 0 ? "0/s" : perSecond < 10 ? `${perSecond.toFixed(1)}/s` : `${Math.round(perSecond).toLocaleString("en-GB")}/s`;

export const sentence = (word: string): string => {
  const words = word.replace(/_/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
