// The list of orders. Its filters are in the address.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, query } from "../api";
import { useAction, useData } from "../data";
import { count, duration, money, shortID } from "../format";
import { openBundle } from "../order/bundle";
import { Icon } from "../parts/icon";
import { Age, Empty, Loaded, Notice, Page, Scroll } from "../parts/parts";
import { allCauses, allStatuses, causeWord, Status, wordOf } from "../parts/status";
import { go, href, parameter, setParameters } from "../router";
import { SampleOrders } from "../sample";
import { onEntries } from "../stream";
import type { Orders, OrderSummary } from "../view";

export function OrdersPage() {
  const filters = { status: parameter("status"), cause: parameter("cause"), q: parameter("q"), user: parameter("user") };
  const path = "orders" + query({ ...filters, limit: 50 });
  const data = useData<Orders>(path);
  const filtered = Object.values(filters).some(Boolean);
  return (
    <Page title="Orders" note={data.value && `${data.value.total >= 10_000 ? "at least " : ""}${count(data.value.total, "order")}`} actions={<OpenBundle />}>
      <Filters />
      <New path={path} onShow={() => void data.reload()} />
      <Loaded data={data}>{(orders) => orders.items.length === 0 ? (
        filtered
          ? <Empty icon="orders" title="No order matches"><button type="button" onClick={() => go(href("orders"))}>Remove the filters</button></Empty>
          : <Empty icon="orders" title="No order yet"><SampleOrders large /></Empty>
      ) : <List key={path} first={orders} path={path} />}</Loaded>
    </Page>
  );
}

function Filters() {
  const [text, setText] = useState(parameter("q"));
  useEffect(() => setText(parameter("q")), [parameter("q")]);
  const user = parameter("user");
  return (
    <div class="filters">
      <form role="search" onSubmit={(event) => { event.preventDefault(); setParameters({ q: text.trim() }, false); }}>
        <input type="search" aria-label="Search orders" placeholder="Order, customer or email" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </form>
      <Chips label="State" name="status" options={allStatuses.map((status) => [status, wordOf(status)])} />
      <Chips label="Cause" name="cause" options={allCauses.map((cause) => [cause, causeWord(cause)])} />
      {user && <button type="button" class="chip" aria-pressed="true" onClick={() => setParameters({ user: "" })}>customer {shortID(user)}<Icon name="close" size={12} /></button>}
    </div>
  );
}

function Chips({ label, name, options }: { label: string; name: string; options: [string, string][] }) {
  const chosen = parameter(name);
  return (
    <div class="chips" role="group" aria-label={label}>
      {options.map(([value, text]) => (
        <button type="button" class="chip" key={value} aria-pressed={chosen === value} onClick={() => setParameters({ [name]: chosen === value ? "" : value }, false)}>{text}</button>
      ))}
    </div>
  );
}

// New offers the orders that came since the list was read, so that rows do not move while
// they are read.
function New({ path, onShow }: { path: string; onShow: () => void }) {
  const seen = useRef(new Set<string>());
  const [fresh, setFresh] = useState(0);
  useEffect(() => {
    seen.current = new Set();
    setFresh(0);
    return onEntries((entries) => {
      for (const { type, kind, order_id } of entries) {
        if (order_id && kind === "published" && type.startsWith("order.created") && seen.current.size < 1000) seen.current.add(order_id);
      }
      setFresh(seen.current.size);
    });
  }, [path]);
  if (fresh === 0) return null;
  return (
    <button type="button" class="fresh" onClick={() => { seen.current.clear(); setFresh(0); onShow(); }}>
      <Icon name="retry" size={13} />{count(fresh, "new order")}{fresh >= 1000 && " or more"}: show
    </button>
  );
}

function List({ first, path }: { first: Orders; path: string }) {
  const [more, setMore] = useState<OrderSummary[]>([]);
  const [cursor, setCursor] = useState<string | undefined>();
  const { busy, failure, run } = useAction();
  useEffect(() => { setMore([]); setCursor(first.cursor); }, [first]);
  const next = () => run(async () => {
    const page = await get<Orders>(`${path}&cursor=${encodeURIComponent(cursor ?? "")}`);
    setMore([...more, ...page.items]);
    setCursor(page.cursor);
  });
  return (
    <>
      <Scroll label="Orders" class="card flush">
        <table class="rows">
          <thead><tr><th>Order</th><th>State</th><th>What happened</th><th class="number wide">Total</th><th class="number wide">Duration</th><th class="number wide">Attempts</th><th class="number">Age</th></tr></thead>
          <tbody>{[...first.items, ...more].map((order) => <Row key={order.id} order={order} />)}</tbody>
        </table>
      </Scroll>
      {failure && <Notice tone="bad" text={failure} />}
      {cursor && <p class="more-rows"><button type="button" disabled={busy} onClick={() => void next()}>Show more</button></p>}
    </>
  );
}

function Row({ order }: { order: OrderSummary }) {
  return (
    <tr onClick={(event) => (event.target as Element).closest("a") || getSelection()?.toString() || go(href("orders", order.id))}>
      <td><a class="mono" href={href("orders", order.id)} title={order.id}>{shortID(order.id)}</a></td>
      <td><Status of={order.status} /></td>
      <td class="verdict-cell">{order.cause && <b class={`cause ${order.cause}`}>{causeWord(order.cause)}</b>} <span>{order.verdict}</span></td>
      <td class="number wide">{money(order.total)}</td>
      <td class="number wide">{duration((Date.parse(order.updated_at) - Date.parse(order.started_at)) * 1000)}</td>
      <td class="number wide">{order.attempts}{order.failures > 0 && <span class="failures"> {order.failures} failed</span>}</td>
      <td class="number"><Age at={order.started_at} /></td>
    </tr>
  );
}

function OpenBundle() {
  const { failure, run } = useAction();
  return (
    <>
      <label class="button quiet">
        <Icon name="file" size={14} />Open a bundle
        <input type="file" accept="application/json,.json" class="unseen" onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) void run(() => openBundle(file));
        }} />
      </label>
      {failure && <Notice tone="bad" text={failure} />}
    </>
  );
}
