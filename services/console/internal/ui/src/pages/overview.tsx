// The first page: what needs attention, how the services are, and four numbers.
import { useEffect, useState } from "preact/hooks";
import { useData } from "../data";
import { count, rate } from "../format";
import { Icon } from "../parts/icon";
import { Age, Empty, Loaded, Notice, Page, Sparkline } from "../parts/parts";
import { href, root } from "../router";
import { SampleOrders } from "../sample";
import { overview, state } from "../stream";
import type { Attention, Overview, Tile } from "../view";
import { TopologyPicture } from "./topology";

// streamFirst is how long the page waits for the overview that the stream begins with,
// before it asks for one.
const streamFirst = 700; // milliseconds

export function OverviewPage() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), streamFirst);
    return () => clearTimeout(timer);
  }, []);
  const data = useData<Overview>(late && state.value !== "live" || late && !overview.value ? "overview" : null, 15_000);
  const value = overview.value ?? data.value;
  return (
    <Page title="Overview">
      <Loaded data={{ ...data, value }}>{(current) => <Content value={current} />}</Loaded>
    </Page>
  );
}

function Content({ value }: { value: Overview }) {
  return (
    <>
      {value.gaps > 0 && <Notice tone="warn" text={`The journal left out ${count(value.gaps, "record")} in the last 15 minutes: there was more than it keeps under load.`} />}
      {value.orders === 0 ? (
        <Empty icon="orders" title="No order yet">
          <p>Place one, and see every step that the services take for it.</p>
          <SampleOrders large />
        </Empty>
      ) : <AttentionList items={value.attention} />}
      <ul class="tiles" aria-label="The last 15 minutes">
        {value.tiles.map((tile) => <TileView key={tile.id} tile={tile} />)}
      </ul>
      <section class="card">
        <h2>Services</h2>
        <TopologyPicture topology={value.topology} />
      </section>
      {value.orders > 0 && (
        <section class="card">
          <h2>Sample orders</h2>
          <SampleOrders />
        </section>
      )}
    </>
  );
}

const icons: Record<string, string> = {
  stuck_orders: "waiting", dead_letters: "dead", breaker: "warn", outbox: "out", deliveries: "mail", service: "services",
};

function AttentionList({ items }: { items: Attention[] }) {
  if (items.length === 0) {
    return <section class="attention quiet"><p><Icon name="ok" /><strong>Nothing needs attention.</strong> No order is stuck, no event waits for an admin, all services are up.</p></section>;
  }
  return (
    <section class="attention" aria-label="Needs attention">
      <h2>Needs attention</h2>
      <ul>
        {items.map((item) => (
          <li key={item.kind + item.title}>
            <a href={address(item.link)}>
              <Icon name={icons[item.kind] ?? "warn"} />
              <span>{item.title}</span>
              <small>for <Age at={item.since} /></small>
              <Icon name="right" size={14} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

// address returns a link of the API, which is relative to /console, as an address.
const address = (link: string): string => (link.startsWith(root) ? link : href() + link.replace(/^\//, ""));

const units: Record<string, (value: number) => [string, string]> = {
  ms: (value) => (value >= 1000 ? [(value / 1000).toFixed(1), "s"] : [value.toFixed(value < 10 ? 1 : 0), "ms"]),
  "/s": (value) => [rate(value).replace("/s", ""), "/s"],
  "%": (value) => [value.toFixed(value < 10 ? 1 : 0), "%"],
};

function TileView({ tile }: { tile: Tile }) {
  const [value, unit] = units[tile.unit]?.(tile.value) ?? [Number(tile.value.toFixed(1)).toLocaleString("en-GB"), tile.unit];
  return (
    <li class="tile">
      <h3>{tile.title}</h3>
      <p><strong>{value}</strong> {unit}</p>
      <Sparkline series={tile.series} label={`${tile.title} in the last 15 minutes, at most ${Math.max(0, ...tile.series).toLocaleString("en-GB")}`} />
    </li>
  );
}
