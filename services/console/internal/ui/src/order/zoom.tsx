// A part of an order: the steps between two times. Both are in the address, in milliseconds
// since the first step.
import { Icon } from "../parts/icon";
import { duration } from "../format";
import { parameter, setParameters } from "../router";
import type { Order, Step } from "../view";

// all are the parameters that show the whole order.
export const all = { from: "", to: "" };

// since returns the milliseconds from the first step of an order to a step.
function since(order: Order, step: Step): number {
  return Date.parse(step.at) - Math.min(...order.steps.map(({ at }) => Date.parse(at)));
}

// zoomed returns the order with the steps of the chosen part alone.
export function zoomed(order: Order): Order {
  const [from, to] = [parameter("from"), parameter("to")];
  if (from === "" && to === "" || order.steps.length === 0) return order;
  const steps = order.steps.filter((step) => {
    const at = since(order, step);
    return (from === "" || at >= Number(from)) && (to === "" || at <= Number(to));
  });
  const kept = new Set(steps.slice(0, -1).map(({ id }) => id)); // a fold lies between two steps
  return { ...order, steps, folds: order.folds.filter(({ after }) => kept.has(after)) };
}

export function Zoom({ order, part, step }: { order: Order; part: Order; step: Step | undefined }) {
  const [from, to] = [parameter("from"), parameter("to")];
  const whole = from === "" && to === "";
  if (whole && !step) return null;
  const ends = (ms: string, otherwise: string) => (ms === "" ? otherwise : `+${duration(Number(ms) * 1000)}`);
  return (
    <div class="zoom" role="group" aria-label="Part of the order">
      {step && <button type="button" class="quiet" onClick={() => setParameters({ from: String(since(order, step)) })}>From this step</button>}
      {step && <button type="button" class="quiet" onClick={() => setParameters({ to: String(since(order, step)) })}>Until this step</button>}
      {!whole && (
        <button type="button" class="chip" aria-pressed="true" onClick={() => setParameters(all)}>
          {part.steps.length} of {order.steps.length} steps, {ends(from, "the beginning")} to {ends(to, "the end")}: show all<Icon name="close" size={12} />
        </button>
      )}
    </div>
  );
}
