// The steps of an order as a table: the same as the picture, for screen readers and for
// those who like tables better.
import { duration, moment } from "../format";
import { Scroll } from "../parts/parts";
import { Status } from "../parts/status";
import type { Order } from "../view";

export function Steps({ order, selected, onSelect }: { order: Order; selected: string; onSelect: (id: string) => void }) {
  return (
    <Scroll label="Steps of the order">
      <table>
        <thead><tr><th>Time</th><th>Service</th><th>Step</th><th>Outcome</th><th class="number">Waited</th><th class="number">Took</th><th>Error</th></tr></thead>
        <tbody>
          {order.steps.map((step) => (
            <tr key={step.id} aria-current={step.id === selected || undefined}>
              <td class="mono">{moment(step.at).split(", ")[1]}</td>
              <td>{step.lane}</td>
              <td><button type="button" class="link" onClick={() => onSelect(step.id)}>{step.label}</button>{step.compensation && <small> compensation</small>}</td>
              <td>{step.ghost ? <Status of="expected" /> : <Status of={step.kind === "emit" ? "published" : step.outcome} />}</td>
              <td class="number">{step.kind === "handle" && !step.ghost ? duration(step.waited_us) : ""}</td>
              <td class="number">{step.kind === "handle" && !step.ghost ? duration(step.took_us) : ""}</td>
              <td class="error-cell">{step.error}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
