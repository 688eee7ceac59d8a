// The places of the steps of an order in its picture. Lanes are rows, one for each service;
// columns follow causality: no step stands left of one of its causes. Pure functions.
import type { Order, Step } from "../view";

export const columnWidth = 88;
export const laneHeight = 86;
export const left = 46; // of the first column's middle
export const top = 30; // of the first lane
const foldWidth = 74;

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
  x: number; // of its middle
  took: number;
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

export function layout(order: Order): Picture {
  const nodes = placed(order);
  const byID = new Map(nodes.map((node) => [node.step.id, node]));
  const gaps: Gap[] = [];
  const folds = new Map((order.folds ?? []).map((fold) => [fold.after, fold.took_us]));
  // A fold moves all columns behind it to the right.
  const shifts: number[] = [];
  let last = 0;
  for (const node of nodes) {
    last = Math.max(last, node.column);
    const took = folds.get(node.step.id);
    if (took === undefined) continue;
    gaps.push({ x: left + last * columnWidth + shifts.length * foldWidth + (columnWidth + foldWidth) / 2, took });
    shifts.push(last);
  }
  for (const node of nodes) {
    node.x = left + node.column * columnWidth + shifts.filter((column) => column < node.column).length * foldWidth;
    node.y = top + node.lane * laneHeight + laneHeight / 2;
  }
  const columns = Math.max(0, ...nodes.map(({ column }) => column));
  return {
    nodes, byID, gaps, edges: edges(nodes, byID), ticks: ticks(nodes, gaps),
    width: left * 2 + columns * columnWidth + shifts.length * foldWidth + 24,
    height: top + order.lanes.length * laneHeight + 6,
  };
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
    if (x < free || gaps.some((gap) => Math.abs(gap.x - x) < 30)) continue;
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
