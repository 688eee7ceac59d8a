// The panel beside the picture: what is known about the selected step.
import { Age, Copy, JSONText } from "../parts/parts";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { duration, eventName, moment, shortID } from "../format";
import { href } from "../router";
import type { Order, Standing, Step } from "../view";
import { chain, type Picture } from "./layout";
import { Lines } from "./lines";
import { ReplayStep } from "./replay";
import { Waterfall } from "./waterfall";

interface Props {
  order: Order;
  picture: Picture;
  step: Step;
  imported: boolean; // from a bundle, so nothing can be replayed
  onSelect: (id: string) => void;
}

export function Panel({ order, picture, step, imported, onSelect }: Props) {
  const spans = order.spans?.filter(({ trace_id }) => trace_id === step.trace_id) ?? [];
  const lines = order.lines?.filter(({ event_id, service }) => event_id && event_id === step.event_id && service === step.lane) ?? [];
  return (
    <aside class="panel" aria-label="The selected step">
      <h2>{step.label}</h2>
      <p class="chips">
        {step.ghost ? <Status of="expected" /> : step.kind === "emit" ? <Status of="published" /> : <Status of={step.outcome} />}
        {step.compensation && <span class="status undo"><Icon name="undo" size={13} />Compensation</span>}
      </p>
      {step.error && <pre class="error" tabIndex={0} role="region" aria-label="Error">{step.error}</pre>}
      {!imported && step.kind === "handle" && (step.outcome === "dead" || step.outcome === "retry") && <ReplayStep step={step} />}
      <Facts step={step} />
      <Attempts order={order} step={step} onSelect={onSelect} />
      <Causes step={step} picture={picture} onSelect={onSelect} />
      {step.data !== undefined && step.data !== null && (
        <details open><summary>Payload</summary><JSONText value={step.data} label="Payload" /></details>
      )}
      {lines.length > 0 && <details open><summary>Logged by {step.lane} ({lines.length})</summary><Lines lines={lines} label="Log of the step" /></details>}
      {spans.length > 0 && <details><summary>Spans of its trace ({spans.length})</summary><Waterfall spans={spans} label="Spans of the step's trace" /></details>}
    </aside>
  );
}

function Facts({ step }: { step: Step }) {
  return (
    <dl class="facts">
      <div><dt>Service</dt><dd><a href={href("services", step.lane)}>{step.lane}</a></dd></div>
      <div><dt>Event</dt><dd><a href={`/docs/events#${step.type}`} target="_blank" rel="noreferrer">{step.type}</a></dd></div>
      <div><dt>{step.ghost ? "Expected since" : "At"}</dt><dd>{moment(step.at)}</dd></div>
      {step.kind === "handle" && !step.ghost && <div><dt>Waited</dt><dd>{duration(step.waited_us)}</dd></div>}
      {step.kind === "handle" && !step.ghost && <div><dt>Took</dt><dd>{duration(step.took_us)}</dd></div>}
      {step.next_at && <div><dt>Next attempt</dt><dd>{moment(step.next_at)}</dd></div>}
      {standings.map(([member, title]) => step.after && <div key={member}><dt>{title}</dt><dd><Change from={step.before?.[member]} to={step.after[member]} /></dd></div>)}
      {step.event_id && <div><dt>Event id</dt><dd><code>{shortID(step.event_id)}</code> <Copy text={step.event_id} label="Copy" /></dd></div>}
      {step.trace_id && <div><dt>Trace</dt><dd><a href={href("traces", step.trace_id)}><code>{shortID(step.trace_id)}</code></a></dd></div>}
    </dl>
  );
}

const standings: [keyof Standing, string][] = [["status", "Order"], ["payment", "Payment"], ["stock", "Stock"]];

// Change shows how a state of the order was before and after a step.
function Change({ from, to }: { from: string | undefined; to: string }) {
  if (from === to) return <>{to}</>;
  return <>{from ?? "new"} → <strong>{to}</strong></>;
}

// Attempts lists all attempts of one service at one event, if there are several.
function Attempts({ order, step, onSelect }: Pick<Props, "order" | "step" | "onSelect">) {
  if (step.kind !== "handle") return null;
  const all = order.steps.filter(({ kind, lane, event_id }) => kind === "handle" && lane === step.lane && event_id === step.event_id);
  if (all.length < 2) return null;
  return (
    <details open>
      <summary>Attempts ({all.length})</summary>
      <ol class="steps">
        {all.slice(-30).map((attempt) => (
          <li key={attempt.id}>
            <button type="button" aria-current={attempt.id === step.id || undefined} onClick={() => onSelect(attempt.id)}>
              <Status of={attempt.outcome} /><span>{attempt.error ?? ""}</span><Age at={attempt.at} />
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}

function Causes({ step, picture, onSelect }: Pick<Props, "step" | "picture" | "onSelect">) {
  const all = chain(step, picture.byID);
  if (all.length < 2) return null;
  return (
    <details open>
      <summary>What led to it</summary>
      <ol class="steps">
        {all.map((cause) => (
          <li key={cause.id}>
            <button type="button" aria-current={cause.id === step.id || undefined} onClick={() => onSelect(cause.id)}>
              <span class="lane-name">{cause.lane}</span>
              <span>{cause.kind === "emit" ? "publishes" : "handles"} {eventName(cause.type)}</span>
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}
