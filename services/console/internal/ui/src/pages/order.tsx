// The page of one order: how it stands and why, and every step that led there.
import { useEffect, useMemo } from "preact/hooks";
import { base } from "../api";
import { useData } from "../data";
import { duration, money, moment, sentence } from "../format";
import { opened } from "../order/bundle";
import { firstFailure, layout } from "../order/layout";
import { Lines } from "../order/lines";
import { Panel } from "../order/panel";
import { Swimlane } from "../order/swimlane";
import { Steps } from "../order/table";
import { Waterfall } from "../order/waterfall";
import { all, Zoom, zoomed } from "../order/zoom";
import { Icon } from "../parts/icon";
import { Choice, Copy, JSONText, Loaded, Notice, Page } from "../parts/parts";
import { causeWord, iconOf, Status, toneOf } from "../parts/status";
import { href, parameter, setParameters } from "../router";
import { onEntries } from "../stream";
import type { Order } from "../view";
import { MailList } from "./mailbox";

export function OrderPage({ id }: { id: string }) {
  const imported = id === "bundle" ? opened.value : null;
  const data = useData<Order>(imported || id === "bundle" ? null : `orders/${encodeURIComponent(id)}`, 10_000);
  useEffect(() => {
    let timer = 0;
    const end = onEntries((entries) => {
      if (!timer && entries.some(({ order_id }) => order_id === id)) timer = window.setTimeout(() => { timer = 0; void data.reload(); }, 250);
    });
    return () => { end(); clearTimeout(timer); };
  }, [id]);
  if (id === "bundle" && !imported) {
    return <Page title="Bundle"><p>No bundle is open. <a href={href("orders")}>Open one on the page of the orders.</a></p></Page>;
  }
  if (imported) return <OrderView order={imported} imported />;
  return data.value ? <OrderView order={data.value} /> : <Page title="Order" note={id}><Loaded data={data}>{() => null}</Loaded></Page>;
}

const views: [string, string][] = [["", "Swimlane"], ["table", "Table"], ["raw", "Raw"]];

function OrderView({ order, imported = false }: { order: Order; imported?: boolean }) {
  const [from, to, unfold] = [parameter("from"), parameter("to"), parameter("unfold")];
  const part = useMemo(() => zoomed(order), [order, from, to]);
  const picture = useMemo(() => layout(part, (fold) => isOpen(unfold, fold)), [part, unfold]);
  const view = parameter("view");
  const step = selectedStep(order);
  const select = (id: string) => setParameters({ step: id, event: "", service: "" });
  const fold = (which: number | "all") => setParameters({ unfold: toggled(unfold, which, part.folds.length) });
  return (
    <Page title="Order" note={<code>{order.id}</code>} actions={<Actions order={order} imported={imported} />}>
      <Verdict order={order} onSelect={(id) => setParameters({ ...all, step: id, event: "", service: "" })} />
      {imported && <Notice tone="calm" text="This order is shown from a file. Nothing of it is stored here." />}
      {!order.complete && <Notice tone="warn" text="The journal has a gap in this order: steps may be missing." />}
      {(order.notes ?? []).map((note) => <Notice key={note} tone="calm" text={note} />)}
      <States order={order} />
      <div class="bar">
        <Choice label="View" options={views} value={view} onChoose={(chosen) => setParameters({ view: chosen })} />
        {view !== "raw" && <Zoom order={order} part={part} step={step} />}
        {view === "" && <Legend />}
      </div>
      <div class={step && view !== "raw" ? "split" : ""}>
        <div class="main">
          {view === "raw" ? <JSONText value={order} label="The order as JSON" />
            : view === "table" ? <Steps order={part} selected={step?.id ?? ""} onSelect={select} />
            : <Swimlane order={part} picture={picture} selected={step?.id ?? ""} onSelect={select} onFold={fold} />}
          {view === "" && <More order={order} />}
        </div>
        {step && view !== "raw" && <Panel order={order} picture={picture} step={step} imported={imported} onSelect={select} />}
      </div>
    </Page>
  );
}

// isOpen reports whether a fold is open. The address has "all", or the numbers of those open.
const isOpen = (unfold: string, fold: number): boolean => unfold === "all" || unfold.split(",").includes(String(fold));

// toggled returns the same for the address after a fold, or all, was opened or closed.
function toggled(unfold: string, which: number | "all", count: number): string {
  if (which === "all") return unfold === "all" ? "" : "all";
  const open = [...Array(count).keys()].filter((fold) => isOpen(unfold, fold) !== (fold === which));
  return open.length === count ? "all" : open.join(",");
}

// selectedStep returns the step of the address: by its id, or by its event and service.
function selectedStep(order: Order) {
  const [id, event, service] = [parameter("step"), parameter("event"), parameter("service")];
  if (id) return order.steps.find((step) => step.id === id);
  if (!event) return undefined;
  const all = order.steps.filter((step) => step.event_id === event && (!service || step.lane === service));
  return all[all.length - 1];
}

function Verdict({ order, onSelect }: { order: Order; onSelect: (id: string) => void }) {
  const failed = order.cause ? firstFailure(order.steps) : undefined;
  const troubled = ["stuck", "retrying", "dead_letter"].includes(order.cause ?? "");
  return (
    <section class={`verdict ${troubled ? "bad" : toneOf(order.status)}`} aria-label="Verdict">
      <Icon name={troubled ? "warn" : iconOf(order.status)} size={20} />
      <div>
        <p class="words">{order.verdict}</p>
        <p class="note">
          <Status of={order.status} />
          {order.cause && <span>{causeWord(order.cause)}</span>}
          <span>{money(order.total)}</span>
          <span>{moment(order.started_at)}</span>
          {order.user_id && <span>customer <a href={href("orders") + `?user=${encodeURIComponent(order.user_id)}`}><code>{order.user_id}</code></a></span>}
        </p>
      </div>
      {failed && <button type="button" class="primary" onClick={() => onSelect(failed.id)}>Show the cause</button>}
    </section>
  );
}

function States({ order }: { order: Order }) {
  return (
    <ol class="states" aria-label="States of the order">
      {order.states.map(({ name, at }, i) => {
        const before = order.states[i - 1]?.at;
        return (
          <li key={name} class={`${at ? "reached" : "open"} ${name}`}>
            <Icon name={at ? iconOf(name) : "waiting"} size={13} />
            <span>{sentence(name)}</span>
            <small>{at ? (before ? `+${duration((Date.parse(at) - Date.parse(before)) * 1000)}` : "start") : "to come"}</small>
          </li>
        );
      })}
    </ol>
  );
}

function Legend() {
  return (
    <p class="legend" aria-hidden="true">
      <span><i class="dot" />published</span>
      <span><i class="box" />handled: <b>above</b> time in the queue, <b>below</b> time taken</span>
      <span><i class="box undo" />compensation</span>
      <span><i class="box hollow" />duplicate or expected</span>
    </p>
  );
}

function Actions({ order, imported }: { order: Order; imported: boolean }) {
  if (imported) return null;
  const path = `${base}orders/${encodeURIComponent(order.id)}`;
  return (
    <>
      <Copy text={() => location.href} label="Copy link" />
      <Copy text={() => `curl -H "Authorization: Bearer $TOKEN" '${location.origin}${path}'`} label="Copy as curl" />
      <a class="button quiet" href={`${path}/bundle`} download={`order-${order.id}.json`}><Icon name="file" size={14} />Export bundle</a>
    </>
  );
}

function More({ order }: { order: Order }) {
  const [mails, spans] = [order.mails ?? [], order.spans ?? []];
  return (
    <div class="more">
      <section>
        <h2>Sent to the customer</h2>
        {mails.length === 0 ? <p class="note">Nothing was sent yet.</p> : <MailList mails={mails} />}
      </section>
      <section>
        <h2>Logged by the services</h2>
        <Lines lines={order.lines ?? []} label="Log of the order" />
      </section>
      <section>
        <h2>Spans</h2>
        <Waterfall spans={spans} label="Spans of the order" />
      </section>
    </div>
  );
}
