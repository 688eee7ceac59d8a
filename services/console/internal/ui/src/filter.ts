// The filter language of the events: type:payment.* service:orders -outcome:ok 0198.
import type { Entry } from "./view";

const members: Record<string, (entry: Entry) => string> = {
  type: ({ type }) => type,
  service: ({ service }) => service,
  order: ({ order_id }) => order_id ?? "",
  event: ({ event_id }) => event_id,
  outcome: ({ outcome }) => outcome ?? "",
  kind: ({ kind }) => kind,
};

type Test = (entry: Entry) => boolean;

// pattern reports whether a text begins with wanted, in which * stands for anything.
function pattern(wanted: string, anywhere: boolean): (text: string) => boolean {
  const source = wanted.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  const expression = new RegExp((anywhere ? "" : "^") + source, "i");
  return (text) => expression.test(text);
}

function term(word: string): Test {
  const [, name = "", wanted = ""] = /^(\w+):(.*)$/.exec(word) ?? [];
  const member = members[name];
  if (member) {
    const test = pattern(wanted, name === "order" || name === "event");
    return (entry) => test(member(entry));
  }
  const test = pattern(word, true);
  return (entry) => test(entry.type) || test(entry.service) || test(entry.order_id ?? "") || test(entry.event_id) || test(entry.error ?? "");
}

// matcher returns a function that reports whether an entry matches every word of filter.
export function matcher(filter: string): Test {
  const tests = filter.split(/\s+/).filter(Boolean).map((word): Test => {
    if (!word.startsWith("-") || word === "-") return term(word);
    const test = term(word.slice(1));
    return (entry) => !test(entry);
  });
  return (entry) => tests.every((test) => test(entry));
}
