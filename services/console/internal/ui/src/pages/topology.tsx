// The picture of the services: the gateway above, the services in a row, the bus below.
import { count, rate } from "../format";
import { glyph } from "../parts/icon";
import { Scroll } from "../parts/parts";
import { iconOf, toneOf, wordOf } from "../parts/status";
import { go, href } from "../router";
import type { Edge, Node, Topology } from "../view";

const width = 860;
const box = { width: 138, height: 62 };

interface Place {
  node: Node;
  x: number;
  y: number;
}

const isBus = ({ name }: Node) => name === "bus";
const isGateway = ({ name }: Node) => name === "gateway";

function places({ nodes }: Topology): Map<string, Place> {
  const row = nodes.filter((node) => !isBus(node) && !isGateway(node) && node.name !== "console");
  const all = new Map<string, Place>();
  const space = width / Math.max(row.length, 1);
  row.forEach((node, i) => all.set(node.name, { node, x: space * (i + 0.5), y: 150 }));
  for (const node of nodes) {
    if (isGateway(node)) all.set(node.name, { node, x: width / 2, y: 40 });
    if (isBus(node)) all.set(node.name, { node, x: width / 2, y: 262 });
  }
  return all;
}

export function TopologyPicture({ topology }: { topology: Topology }) {
  const all = places(topology);
  const console = topology.nodes.find(({ name }) => name === "console");
  return (
    <>
      <Scroll label="The services and what flows between them" class="topology">
        <svg viewBox={`0 0 ${width} 300`} role="group" aria-label="Topology">
          <g aria-hidden="true">{topology.edges.map((edge) => <Line key={`${edge.from} ${edge.to} ${edge.kind}`} edge={edge} all={all} />)}</g>
          {[...all.values()].map((place) => <Box key={place.node.name} {...place} />)}
        </svg>
      </Scroll>
      {console && console.state !== "up" && <p class="note">The console: {console.reason}</p>}
    </>
  );
}

function Line({ edge, all }: { edge: Edge; all: Map<string, Place> }) {
  const [from, to] = [all.get(edge.from), all.get(edge.to)];
  if (!from || !to) return null;
  const down = to.y > from.y;
  const shift = isBus(to.node) ? -22 : isBus(from.node) ? 22 : 0;
  const [a, b] = isBus(to.node) ? [from.x + shift, from.x + shift] : isBus(from.node) ? [to.x + shift, to.x + shift] : [from.x, to.x];
  const y1 = from.y + (down ? 1 : -1) * (isBus(from.node) ? 17 : box.height / 2);
  const y2 = to.y - (down ? 1 : -1) * (isBus(to.node) ? 17 : box.height / 2);
  const path = a === b ? `M${a} ${y1}V${y2}` : `M${a} ${y1}C${a} ${(y1 + y2) / 2} ${b} ${(y1 + y2) / 2} ${b} ${y2}`;
  const tip = down ? -6 : 6;
  return (
    <g class={`edge ${edge.kind} ${edge.state} ${edge.rate > 0 ? "busy" : ""}`}>
      <path d={path} />
      <path class="head" d={`M${b - 4} ${y2 + tip}L${b} ${y2}L${b + 4} ${y2 + tip}`} />
      {edge.rate > 0 && <text x={a === b ? a + (shift < 0 ? -6 : 6) : a * 0.2 + b * 0.8} y={(y1 + y2) / 2 + (a === b ? 4 : 16)} class={shift < 0 ? "end" : shift > 0 ? "start" : ""}>{rate(edge.rate)}</text>}
    </g>
  );
}

// chips are the numbers of a node that are worth a look.
function chips(node: Node): string {
  const all = [];
  if (node.queue > 0) all.push(`${node.queue} queued`);
  if (node.parked > 0) all.push(`${node.parked} parked`);
  if (node.outbox > 0) all.push(`${node.outbox} in outbox`);
  all.push(...(node.breakers ?? []).map((breaker) => `⚡ ${breaker}`));
  return all.join(" · ");
}

function Box({ node, x, y }: Place) {
  const bus = isBus(node);
  const [w, h] = bus ? [width - 40, 34] : [box.width, box.height];
  const label = [node.name, wordOf(node.state), node.reason, rate(node.rate), count(node.queue, "message") + " queued", `${node.parked} parked`, `${node.outbox} in the outbox`, ...(node.breakers ?? [])].filter(Boolean).join(", ");
  const open = () => !bus && go(href("services", node.name));
  return (
    <g class={`box ${toneOf(node.state)}`} transform={`translate(${x - w / 2} ${y - h / 2})`}>
      <g class={bus ? "" : "link"} role={bus ? "img" : "link"} tabindex={bus ? undefined : 0} aria-label={label}
        onClick={open} onKeyDown={(event) => event.key === "Enter" && open()}>
        <rect width={w} height={h} rx={8} />
        <path class="glyph" transform={`translate(10 ${bus ? 10 : 9}) scale(.85)`} d={glyph(iconOf(node.state))} />
      </g>
      <g aria-hidden="true"><Words node={node} bus={bus} width={w} /></g>
    </g>
  );
}

function Words({ node, bus, width: w }: { node: Node; bus: boolean; width: number }) {
  return (
    <>
      <text class="title" x={28} y={21}>{bus ? "event bus" : node.name}</text>
      {bus ? <text class="detail end" x={w - 12} y={21}>{[rate(node.rate), chips(node)].filter(Boolean).join(" · ")}</text> : (
        <>
          <text class="detail" x={12} y={37}>{node.state === "up" ? rate(node.rate) : wordOf(node.state)}</text>
          <text class="detail" x={12} y={52}>{chips(node) || (node.reason ?? "").slice(0, 24)}</text>
        </>
      )}
    </>
  );
}
