// A status is shown by an icon, a word and a colour, never by a colour alone.
import { sentence } from "../format";
import { Icon } from "./icon";

type Tone = "ok" | "warn" | "bad" | "wait" | "undo" | "calm";

const known: Record<string, [Tone, string, string?]> = {
  // orders
  pending: ["wait", "waiting"], confirmed: ["wait", "ok"], paid: ["ok", "ok"], shipped: ["ok", "ok"],
  delivered: ["ok", "ok"], cancelled: ["calm", "undo"],
  // attempts
  ok: ["ok", "ok", "Handled"], published: ["calm", "right"], duplicate: ["calm", "duplicate", "Duplicate, skipped"],
  retry: ["warn", "retry", "Failed, tried again"], dead: ["bad", "dead_letter", "Dead letter"],
  waiting: ["wait", "waiting"], expected: ["calm", "waiting"],
  // nodes, edges and breakers
  up: ["ok", "ok"], impaired: ["warn", "warn"], down: ["bad", "dead_letter"], unknown: ["calm", "help"],
  closed: ["ok", "ok"], open: ["bad", "dead_letter"], half_open: ["warn", "retry"],
  // mails
  sent: ["ok", "ok"], failed: ["bad", "dead_letter"], queued: ["wait", "waiting"],
};

export const toneOf = (status: string): Tone => known[status]?.[0] ?? "calm";
export const iconOf = (status: string): string => known[status]?.[1] ?? "waiting";
export const wordOf = (status: string): string => known[status]?.[2] ?? sentence(status);

export function Status({ of, word }: { of: string; word?: string }) {
  return (
    <span class={`status ${toneOf(of)}`}>
      <Icon name={iconOf(of)} size={13} />
      {word ?? wordOf(of)}
    </span>
  );
}

const causes: Record<string, string> = {
  card_declined: "Card declined", out_of_stock: "Out of stock", deadline: "Deadline passed", customer: "Cancelled by the customer",
  admin: "Cancelled by an admin", capture_failed: "Charge failed", stuck: "Stuck", retrying: "Tried again", dead_letter: "Dead letter",
};

export const causeWord = (cause: string): string => causes[cause] ?? sentence(cause);
export const allCauses = Object.keys(causes);
export const allStatuses = ["pending", "confirmed", "paid", "shipped", "delivered", "cancelled"];
