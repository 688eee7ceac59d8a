// Where the keys lead in the picture of an order.
import { firstFailure, type Picture, type Placed } from "./layout";

type Move = (from: Placed, picture: Picture) => Placed | undefined;

const byTime = (picture: Picture): Placed[] =>
  [...picture.nodes].sort((a, b) => Date.parse(a.step.at) - Date.parse(b.step.at) || a.column - b.column);

const neighbour = (steps: number): Move => (from, picture) => {
  const all = byTime(picture);
  return all[all.indexOf(from) + steps];
};

const nearest = (from: Placed, nodes: Placed[]): Placed | undefined =>
  nodes.reduce<Placed | undefined>((best, node) => !best || distance(from, node) < distance(from, best) ? node : best, undefined);

const distance = (a: Placed, b: Placed): number => Math.abs(a.x - b.x) + Math.abs(a.y - b.y) * 3;

// moves lists the keys. An undefined result means that there is nothing in this direction.
export const moves: Record<string, Move> = {
  ArrowLeft: (from, { byID }) => byID.get(from.step.causes?.[0] ?? ""),
  ArrowRight: (from, { nodes }) => nodes.find(({ step }) => step.causes?.includes(from.step.id)),
  ArrowUp: (from, { nodes }) => nearest(from, nodes.filter(({ lane }) => lane < from.lane)),
  ArrowDown: (from, { nodes }) => nearest(from, nodes.filter(({ lane }) => lane > from.lane)),
  "[": neighbour(-1),
  "]": neighbour(1),
  Home: (_, { nodes }) => nodes[0],
  End: (_, { nodes }) => nodes[nodes.length - 1],
  c: (_, { nodes, byID }) => byID.get(firstFailure(nodes.map(({ step }) => step))?.id ?? ""),
};
