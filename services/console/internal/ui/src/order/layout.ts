// The places of the steps of an order in its picture. Lanes are rows, one for each service;
// columns follow causality: no step stands left of one of its causes. Pure functions.
import type { Order, Step } from "../view";

export const columnWidth = 88;
export const laneHeight = 86;
export const left = 46; // of the first column's middle
export const top = 30; // of the first lane
const foldWidth = 74;
const openWidth = { perSecond: 60, least: 180, most: 1800 }; // of a fold that is open

export interface Placed {
  step: Step;
  lane: number;
  column: number;
  x: number;
  y: number;
}

export type EdgeKind = "delivery" | "reaction" | "retry";

export interface Edge {
  from: Placed;
  to: Placed;
  kind: EdgeKind;
}

export interface Gap {
  fold: number; // its number in the order
  x: number; // of its middle
  width: number;
  took: number;
  open: boolean; // drawn to scale, with times
  ticks: { x: number; after: number }[]; // of one that is open
}

export interface Picture {
  nodes: Placed[];
  edges: Edge[];
  gaps: Gap[];
  ticks: { x: number; after: number }[]; // microseconds since the first step
  width: number;
  height: number;
  byID: Map<string, Placed>;
}

// layout places the steps of an order. opened reports whether a fold is drawn to scale.
export function layout(order: Order, opened: (fold: number) => boolean = () => false): Picture {
  const nodes = placed(order);
  const byID = new Map(nodes.map((node) => [node.step.id, node]));
  const start = Math.min(...order.steps.map(({ at }) => Date.parse(at))) * 1000;
  const gaps: Gap[] = [];
  const folds = new Map((order.folds ?? []).map((fold, i) => [fold.after, { fold: i, took: fold.took_us }]));
  // A fold moves all columns behind it to the right.
  const shifts: { column: number; width: number }[] = [];
  const shifted = (column: number) => shifts.filter((shift) => shift.column < column).reduce((sum, { width }) => sum + width, 0);
  let last = 0;
  nodes.forEach((node, i) => {
    last = Math.max(last, node.column);
    const fold = folds.get(node.step.id);
    if (!fold) return;
    const open = opened(fold.fold);
    const width = open ? widthOf(fold.took) : foldWidth;
    const x = left + last * columnWidth + shifted(last) + (columnWidth + width) / 2;
    const ends = nodes[i + 1] ? Date.parse(nodes[i + 1].step.at) * 1000 - start : 0;
    gaps.push({ ...fold, x, width, open, ticks: open ? scale(ends - fold.took, fold.took, x, width) : [] });
    shifts.push({ column: last, width });
  });
  for (const node of nodes) {
    node.x = left + node.column * columnWidth + shifted(node.column);
    node.y = top + node.lane * laneHeight + laneHeight / 2;
  }
  const columns = Math.max(0, ...nodes.map(({ column }) => column));
  return {
    nodes, byID, gaps, edges: edges(nodes, byID), ticks: ticks(nodes, gaps),
    width: left * 2 + columns * columnWidth + shifts.reduce((sum, { width }) => sum + width, 0) + 24,
    height: top + order.lanes.length * laneHeight + 6,
  };
}

// widthOf returns the width of a fold that is open.
const widthOf = (took: number): number =>
  Math.min(Math.max((took / 1e6) * openWidth.perSecond, openWidth.least), openWidth.most);

// scale returns the times within a fold that is open, as many as there is room for.
function scale(from: number, took: number, middle: number, width: number): Gap["ticks"] {
  const room = Math.floor(width / 90);
  const unit = [1, 2, 5, 10, 15, 30, 60, 300, 900, 3600, 14_400, 86_400].map((s) => s * 1e6).find((us) => took / us <= room) ?? took;
  const all: Gap["ticks"] = [];
  for (let at = Math.ceil(from / unit) * unit; at < from + took; at += unit) {
    const x = middle - width / 2 + ((at - from) / took) * width;
    if (x > middle - width / 2 + 30 && x < middle + width / 2 - 30) all.push({ x, after: at });
  }
  return all;
}

// placed gives each step its lane and its column, in the order of the steps.
function placed(order: Order): Placed[] {
  const lanes = new Map(order.lanes.map((name, i) => [name, i]));
  const columnOf = new Map<string, number>();
  const lastIn = new Array<number>(order.lanes.length).fill(-1);
  const folds = new Set((order.folds ?? []).map(({ after }) => after));
  let begin = 0;
  let last = 0;
  return order.steps.map((step) => {
    const lane = lanes.get(step.lane) ?? 0;
    let column = Math.max(begin, lastIn[lane] + 1);
    for (const cause of step.causes ?? []) column = Math.max(column, (columnOf.get(cause) ?? -1) + 1);
    columnOf.set(step.id, column);
    lastIn[lane] = column;
    last = Math.max(last, column);
    if (folds.has(step.id)) begin = last + 1;
    return { step, lane, column, x: 0, y: 0 };
  });
}

// edges connects each step with its causes. A further attempt is connected with the attempt
// before it, and not with its event again.
function edges(nodes: Placed[], byID: Map<string, Placed>): Edge[] {
  const all: Edge[] = [];
  const attempts = new Map<string, Placed>();
  for (const to of nodes) {
    const { step } = to;
    const key = step.kind === "handle" && step.event_id && step.outcome !== "duplicate" ? `${step.lane} ${step.event_id}` : "";
    const before = key ? attempts.get(key) : undefined;
    if (key) attempts.set(key, to);
    if (before) {
      all.push({ from: before, to, kind: "retry" });
      continue;
    }
    for (const cause of step.causes ?? []) {
      const from = byID.get(cause);
      if (from) all.push({ from, to, kind: step.kind === "handle" ? "delivery" : "reaction" });
    }
  }
  return all;
}

// ticks are the times of every other column, where there is room.
function ticks(nodes: Placed[], gaps: Gap[]): { x: number; after: number }[] {
  if (nodes.length === 0) return [];
  const start = Math.min(...nodes.map(({ step }) => Date.parse(step.at)));
  const first = new Map<number, number>();
  for (const { x, step } of nodes) {
    if (!step.ghost) first.set(x, Math.min(first.get(x) ?? Infinity, Date.parse(step.at)));
  }
  let free = -Infinity;
  const all = [];
  for (const [x, at] of [...first].sort((a, b) => a[0] - b[0])) {
    if (x < free || gaps.some((gap) => Math.abs(gap.x - x) < gap.width / 2 - 7)) continue;
    all.push({ x, after: (at - start) * 1000 });
    free = x + 1.5 * columnWidth;
  }
  return all;
}

// curve returns the path of an edge. A long one changes its lane at once, and runs above
// the steps between.
export function curve({ from, to }: Edge): string {
  const [x1, x2] = [from.x + 9, to.x - 11];
  const span = to.column - from.column;
  if (from.lane === to.lane) {
    if (span <= 1) return `M${x1} ${from.y}H${x2}`;
    return `M${from.x + 6} ${from.y - 8}C${from.x + 30} ${from.y - 34} ${to.x - 30} ${to.y - 34} ${to.x - 8} ${to.y - 9}`;
  }
  const turn = from.x + columnWidth * 0.62;
  if (span <= 1) return `M${x1} ${from.y}C${turn} ${from.y} ${to.x - columnWidth * 0.55} ${to.y} ${x2} ${to.y}`;
  const over = to.y - 32;
  return `M${x1} ${from.y}C${turn} ${from.y} ${turn - 10} ${over} ${turn + 26} ${over}H${to.x - 52}C${to.x - 30} ${over} ${to.x - 30} ${to.y} ${x2} ${to.y}`;
}

// firstFailure returns the step that shows best why an order stands as it does: the first
// that failed for good, else the first refusal, else the first attempt that failed.
export function firstFailure(steps: Step[]): Step | undefined {
  const refusal = /^(payment\.declined|stock\.rejected|payment\.capture_failed)/;
  return steps.find(({ outcome }) => outcome === "dead")
    ?? steps.find(({ kind, type }) => kind === "emit" && refusal.test(type))
    ?? steps.find(({ outcome }) => outcome === "retry")
    ?? steps.find(({ kind, type }) => kind === "emit" && type.startsWith("order.cancelled"))
    ?? steps.find(({ ghost }) => ghost);
}

// chain returns the steps that led to step, the first cause first, and step itself.
export function chain(step: Step, byID: Map<string, Placed>): Step[] {
  const all: Step[] = [];
  const seen = new Set<string>();
  for (let at: Step | undefined = step; at && !seen.has(at.id); at = byID.get(at.causes?.[0] ?? "")?.step) {
    seen.add(at.id);
    all.unshift(at);
  }
  return all;
}
