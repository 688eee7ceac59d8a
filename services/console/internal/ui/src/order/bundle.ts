// An order in a file: exported by one console, opened by another.
import { signal } from "@preact/signals";
import { post } from "../api";
import { go, href } from "../router";
import type { Order } from "../view";

// opened is the order of the file that was opened last.
export const opened = signal<Order | null>(null);

// openBundle shows the order of a file. Nothing of it is stored.
export async function openBundle(file: File): Promise<void> {
  let content: Record<string, unknown>;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is no JSON: choose a file that was exported from the page of an order.`);
  }
  const order = (content.story ?? content.order ?? await post<Order>("bundle", content)) as Order;
  if (!Array.isArray(order.steps) || !Array.isArray(order.lanes)) {
    throw new Error(`${file.name} has no order: choose a file that was exported from the page of an order.`);
  }
  opened.value = order;
  go(href("orders", "bundle"));
}
