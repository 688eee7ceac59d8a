// The picture of an order: a lane for each service, a node for each step, an arrow for each
// cause.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, eventName } from "../format";
import { glyph } from "../parts/icon";
import { toneOf } from "../parts/status";
import type { Order } from "../view";
import { chain, columnWidth, curve, laneHeight, top, type Edge, type Gap, type Picture, type Placed } from "./layout";
import { moves } from "./moves";

// fewSteps may be drawn at once. Of more, only those near the visible part are drawn.
const fewSteps = 120;

interface Props {
  order: Order;
  picture: Picture;
  selected: string;
  onSelect: (id: string) => void;
  onFold: (fold: number | "all") => void; // opens or closes one, or all
}

export function Swimlane({ order, picture, selected, onSelect, onFold }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const range = useVisible(scroller, picture);
  const node = picture.byID.get(selected);
  useReveal(scroller, node);
  const way = useMemo(() => new Set(node ? chain(node.step, picture.byID).map(({ id }) => id) : []), [node, picture]);
  const near = (from: number, to: number) => to >= range[0] && from <= range[1];
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = moves[event.key];
    if (!move && event.key !== "f") return;
    event.preventDefault();
    if (!move) return onFold("all");
    const to = move(node ?? picture.nodes[0], picture);
    if (to) onSelect(to.step.id);
  };
  return (
    <div class="swimlane">
      <ul class="lanes" aria-label="Services">
        {order.lanes.map((lane) => <li key={lane}>{lane}</li>)}
      </ul>
      <div class="picture" ref={scroller} role="region" aria-label="Swimlane" tabIndex={0} onKeyDown={onKeyDown}>
        <svg width={picture.width} height={picture.height} role="group"
          aria-label={`Swimlane with ${order.steps.length} steps. The arrow keys follow causes and effects; the table view has the same steps.`}>
          <Ground order={order} picture={picture} near={near} />
          {picture.gaps.filter(({ x, width }) => near(x - width / 2, x + width / 2)).map((gap) => (
            <Fold key={gap.fold} gap={gap} height={picture.height} onFold={onFold} />
          ))}
          {picture.edges.filter(({ from, to }) => near(from.x, to.x)).map((edge) => (
            <Arrow key={`${edge.from.step.id} ${edge.to.step.id}`} edge={edge} strong={way.has(edge.from.step.id) && way.has(edge.to.step.id)} />
          ))}
          {picture.nodes.filter(({ x }) => near(x, x)).map((placed) => (
            <Node key={placed.step.id} placed={placed} selected={placed === node} inWay={way.has(placed.step.id)}
              reachable={placed === (node ?? picture.nodes[0])} onSelect={onSelect} />
          ))}
        </svg>
      </div>
    </div>
  );
}

// useVisible returns the part of the picture to draw, from x to x.
function useVisible(scroller: { current: HTMLDivElement | null }, picture: Picture): [number, number] {
  const margin = 600;
  const all: [number, number] = [-Infinity, Infinity];
  const many = picture.nodes.length > fewSteps;
  const [range, setRange] = useState<[number, number]>(many ? [-Infinity, 2400] : all);
  useEffect(() => {
    const element = scroller.current;
    if (!element || !many) {
      setRange(all);
      return;
    }
    let shown = NaN;
    const update = () => {
      if (Math.abs(element.scrollLeft - shown) < margin / 2) return;
      shown = element.scrollLeft;
      setRange([shown - margin, shown + element.clientWidth + margin]);
    };
    update();
    element.addEventListener("scroll", update, { passive: true });
    return () => element.removeEventListener("scroll", update);
  }, [many, picture]);
  return range;
}

// useReveal scrolls to the selected node, and moves the focus to it if the focus was in the
// picture.
function useReveal(scroller: { current: HTMLDivElement | null }, node: Placed | undefined): void {
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !node) return;
    const hadFocus = element.contains(document.activeElement);
    const [from, to] = [element.scrollLeft + columnWidth, element.scrollLeft + element.clientWidth - columnWidth];
    if (node.x < from || node.x > to) element.scrollLeft = node.x - element.clientWidth / 2;
    if (hadFocus) requestAnimationFrame(() => element.querySelector<SVGGElement>(".node [tabindex='0']")?.focus({ preventScroll: true }));
  }, [node?.step.id, node?.x]);
}

// Ground has what lies behind the nodes: lanes and times.
function Ground({ order, picture, near }: { order: Order; picture: Picture; near: (from: number, to: number) => boolean }) {
  return (
    <g aria-hidden="true">
      {order.lanes.map((lane, i) => (
        <path key={lane} class="lane" d={`M0 ${top + (i + 0.5) * laneHeight}H${picture.width}`} />
      ))}
      {picture.ticks.filter(({ x }) => near(x, x)).map(({ x, after }) => <text key={x} class="tick" x={x} y={16}>{after === 0 ? "0" : `+${duration(after)}`}</text>)}
    </g>
  );
}

// Fold is a time in which nothing happened: a narrow strip, or its whole length if it is open.
function Fold({ gap, height, onFold }: { gap: Gap; height: number; onFold: Props["onFold"] }) {
  const toggle = () => onFold(gap.fold);
  const width = gap.open ? gap.width : 40;
  return (
    <g class={`fold ${gap.open ? "open" : ""}`} transform={`translate(${gap.x} 0)`}>
      <g class="button" role="button" tabindex={0} aria-expanded={gap.open} aria-label={`${duration(gap.took)} in which nothing happened`} onClick={toggle}
        onKeyDown={(event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          event.stopPropagation();
          toggle();
        }}>
        <rect x={-width / 2} y={top - 4} width={width} height={height - top} rx={6} />
      </g>
      <g aria-hidden="true">
        {!gap.open && <text y={16}>{duration(gap.took)}</text>}
        {gap.open
          ? <text class="word" y={top + (height - top) / 2}>nothing happened for {duration(gap.took)}</text>
          : <text class="word" transform={`translate(4 ${top + (height - top) / 2}) rotate(-90)`}>nothing happened</text>}
        {gap.ticks.map(({ x, after }) => <text key={x} class="tick" x={x - gap.x} y={16}>+{duration(after)}</text>)}
      </g>
    </g>
  );
}

function Arrow({ edge, strong }: { edge: Edge; strong: boolean }) {
  const { step } = edge.to;
  const kind = step.ghost ? "ghost" : step.compensation ? "undo" : edge.kind === "retry" ? "again" : "";
  return (
    <g class={`arrow ${kind} ${strong ? "strong" : ""}`} aria-hidden="true">
      <path d={curve(edge)} />
      {edge.kind !== "reaction" && <path class="head" d={`M${edge.to.x - 16} ${edge.to.y - 4}L${edge.to.x - 10} ${edge.to.y}L${edge.to.x - 16} ${edge.to.y + 4}`} />}
      {edge.kind === "retry" && <text x={(edge.from.x + edge.to.x) / 2} y={edge.to.y + 14}>{duration(step.waited_us)}</text>}
    </g>
  );
}

interface NodeProps {
  placed: Placed;
  selected: boolean;
  inWay: boolean;
  reachable: boolean; // by the Tab key; the arrow keys reach the others
  onSelect: (id: string) => void;
}

function Node({ placed: { step, x, y }, selected, inWay, reachable, onSelect }: NodeProps) {
  const tone = step.ghost ? "ghost" : step.kind === "emit" ? "emit" : toneOf(step.outcome);
  const names = ["node", step.kind, tone, step.compensation ? "compensation" : "", selected ? "selected" : "", inWay ? "way" : ""];
  return (
    <g class={names.join(" ")} transform={`translate(${x} ${y})`}>
      <g class="button" role="button" tabindex={reachable ? 0 : -1}
        aria-label={step.label + (step.compensation ? ", undoes something" : "") + (step.ghost ? ", expected" : "")} aria-pressed={selected}
        onClick={() => onSelect(step.id)} onFocus={() => selected || onSelect(step.id)}>
        <rect class="hit" x={-22} y={-30} width={44} height={60} />
        <Mark kind={step.kind} outcome={step.outcome} compensation={step.compensation} ghost={step.ghost} />
      </g>
      <g aria-hidden="true"><Texts step={step} /></g>
    </g>
  );
}

function Texts({ step }: { step: Placed["step"] }) {
  return (
    <>
      {step.kind === "emit" ? <text class="name" y={24}>{eventName(step.type)}</text> : <Times step={step} />}
      {step.compensation && step.kind === "emit" && <text class="undo-word" y={37}>undo</text>}
      {step.attempt !== undefined && step.attempt > 1 && step.kind === "handle" && <text class="attempt" x={15} y={-9}>{step.attempt}</text>}
    </>
  );
}

// Times has above a handler how long the event waited, and below how long the handler took.
function Times({ step }: { step: Placed["step"] }) {
  if (step.ghost) return <text class="time" y={26}>expected</text>;
  return (
    <>
      {(step.attempt ?? 1) <= 1 && step.waited_us > 0 && <text class="time wait" y={-16}>{duration(step.waited_us)}</text>}
      <text class="time" y={24}>{step.outcome === "duplicate" ? "duplicate" : step.outcome === "waiting" ? "waiting" : duration(step.took_us)}</text>
      {step.compensation && <text class="undo-word" y={37}>undo</text>}
    </>
  );
}

function Mark({ kind, outcome, compensation, ghost }: { kind: string; outcome: string; compensation: boolean; ghost: boolean }) {
  if (kind === "emit") {
    return (
      <>
        <circle class="mark" r={8} />
        {compensation && <path class="glyph" transform="translate(-5 -5) scale(.62)" d={glyph("undo")} />}
      </>
    );
  }
  const sign = ghost ? "waiting" : compensation && outcome === "ok" ? "undo" : { ok: "ok", retry: "retry", dead: "dead_letter", waiting: "waiting", duplicate: "duplicate" }[outcome] ?? "waiting";
  return (
    <>
      <rect class="mark" x={-9.5} y={-9.5} width={19} height={19} rx={5} />
      <path class="glyph" transform="translate(-5.6 -5.6) scale(.7)" d={glyph(sign)} />
    </>
  );
}
