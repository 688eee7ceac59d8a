// Keys that work on every page. Those of a list or of the picture of an order are with them.
import { signal } from "@preact/signals";
import { places } from "./places";
import { go, href } from "./router";
import { nextTheme } from "./theme";

export type Open = "palette" | "help" | null;

export const open = signal<Open>(null);

export const helpRows: [keys: string, what: string][] = [
  ["Ctrl K or /", "Search and commands"],
  ["?", "This help"],
  ["t", "Theme: system, light, dark"],
  ...places.map(({ key, title }): [string, string] => [`g ${key}`, title]),
  ["← →", "Order: to the cause, to the effect"],
  ["↑ ↓", "Order: to the step above or below"],
  ["[ ]", "Order: to the step before or after, by time"],
  ["c", "Order: to the first step that failed"],
  ["f", "Order: open or close all folds"],
  ["Space", "Events: pause, resume"],
  ["End", "Events: the latest"],
];

let afterG = 0; // when g was pressed

const writes = (element: Element | null): boolean =>
  element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));

export function followKeys(): void {
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      open.value = open.value === "palette" ? null : "palette";
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || writes(document.activeElement) || open.value || document.querySelector("dialog[open]")) return;
    const place = Date.now() - afterG < 1500 && places.find(({ key }) => key === event.key);
    afterG = event.key === "g" ? Date.now() : 0;
    if (place) go(href(...place.path));
    else if (event.key === "/") open.value = "palette";
    else if (event.key === "?") open.value = "help";
    else if (event.key === "t") nextTheme();
    else return;
    event.preventDefault();
  });
}
