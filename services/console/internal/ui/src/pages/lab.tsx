// Faults that can be caused in development, each with what should be seen.
import { post, remove, session } from "../api";
import { now, useAction, useData } from "../data";
import { shortID } from "../format";
import { Icon } from "../parts/icon";
import { Empty, Loaded, Notice, Page, readOnly, readOnlyText } from "../parts/parts";
import { href } from "../router";
import { SampleOrders } from "../sample";
import type { Fault, Lab } from "../view";

export function LabPage() {
  const data = useData<Lab>(session.value?.lab ? "lab" : null, 2000);
  if (!session.value?.lab) {
    return <Page title="Lab"><Empty icon="lab" title="Faults can be caused in development only" /></Page>;
  }
  return (
    <Page title="Lab" note="each fault ends by itself; it places an order that shows what the services make of it">
      {readOnly() && <Notice tone="calm" text={readOnlyText} />}
      <section class="card"><h2>Sample orders</h2><SampleOrders /></section>
      <Loaded data={data}>{({ items }) => (
        <ul class="faults-list">{items.map((fault) => <Card key={fault.id} fault={fault} reload={data.reload} />)}</ul>
      )}</Loaded>
    </Page>
  );
}

function Card({ fault, reload }: { fault: Fault; reload: () => Promise<void> }) {
  const { busy, failure, run } = useAction();
  const path = `lab/${encodeURIComponent(fault.id)}`;
  const left = fault.ends_at ? Math.max(0, Math.ceil((Date.parse(fault.ends_at) - now.value) / 1000)) : null;
  const start = () => run(async () => { await post(path); await reload(); });
  const end = () => run(async () => { await remove(path); await reload(); });
  return (
    <li class={`card fault ${fault.active ? "active" : ""}`}>
      <h2>{fault.title}</h2>
      <p class="expect">{fault.expect}</p>
      {fault.active && <p class="status bad"><Icon name="warn" size={13} />Active{left !== null && `, ends in ${left} s`}</p>}
      {fault.problem && <p class="note">{fault.problem}</p>}
      {failure && <Notice tone="bad" text={failure} />}
      <div class="actions">
        {fault.active
          ? <button type="button" class="danger" disabled={busy || readOnly()} onClick={() => void end()} aria-label={`End: ${fault.title}`}><Icon name="stop" size={14} />End now</button>
          : <button type="button" disabled={busy || readOnly()} onClick={() => void start()} aria-label={`Start: ${fault.title}`}><Icon name="play" size={14} />{busy ? "Starting…" : "Start"}</button>}
        {fault.order_id && <a class="button quiet" href={href("orders", fault.order_id)}>Order <span class="mono">{shortID(fault.order_id)}</span></a>}
      </div>
    </li>
  );
}
