// Where the documents are.
import { Icon } from "../parts/icon";
import { Page } from "../parts/parts";

const links: [to: string, title: string, text: string][] = [
  ["/docs", "API", "Every operation of the gateway, to read and to try."],
  ["/docs/events", "Events", "Every event: its schema, an example, who publishes and who consumes it."],
  ["/openapi.json", "OpenAPI document", "The same API for programs."],
  ["/docs/events/asyncapi.json", "AsyncAPI document", "The same events for programs."],
  ["/console/assets/licenses.txt", "Licenses", "Of the packages that this page is built with."],
];

const words: [word: string, meaning: string][] = [
  ["Event", "A fact that a service has committed and publishes: order.created."],
  ["Handler", "The part of a service that reacts to one type of event."],
  ["Outbox", "Events that are committed with the state they tell of, and wait to be published."],
  ["Inbox", "What makes a handler take effect once, however often its event comes."],
  ["Attempt", "One run of a handler for one event. A failed one is tried again, after a longer time each."],
  ["Dead letter", "An event that a consumer could not handle in all its attempts. It waits for an admin."],
  ["Compensation", "A step that undoes an earlier one: stock is released, a payment voided or refunded."],
  ["Circuit breaker", "Stops calls to a service that fails, and lets a few through to see whether it is well again."],
  ["Saga", "All steps of one order over all services. Nothing conducts it: each service reacts to events."],
];

export function DocsPage() {
  return (
    <Page title="Docs">
      <ul class="links">
        {links.map(([to, title, text]) => (
          <li key={to} class="card"><a href={to} target="_blank" rel="noreferrer">{title} <Icon name="out" size={13} /></a><p>{text}</p></li>
        ))}
      </ul>
      <section class="card">
        <h2>Glossary</h2>
        <dl class="facts glossary">{words.map(([word, meaning]) => <div key={word}><dt>{word}</dt><dd>{meaning}</dd></div>)}</dl>
        <p class="note">docs/GLOSSARY.md has all words; docs/ARCHITECTURE.md shows the life of one order.</p>
      </section>
    </Page>
  );
}
