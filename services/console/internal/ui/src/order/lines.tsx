// What the services logged about an order.
import { useState } from "preact/hooks";
import { clock } from "../format";
import { Scroll } from "../parts/parts";
import type { Line } from "../view";

const few = 50; // lines that are shown at first, the newest

const tones = { INFO: "calm", WARN: "warn", ERROR: "bad" };

export function Lines({ lines, label }: { lines: Line[]; label: string }) {
  const [all, setAll] = useState(false);
  if (lines.length === 0) return <p class="note">No service has logged anything about it at the level INFO or above.</p>;
  return (
    <Scroll label={label}>
      <table>
        <thead><tr><th>Time</th><th>Service</th><th>Level</th><th>Text</th></tr></thead>
        <tbody>
          {(all ? lines : lines.slice(-few)).map((line) => (
            <tr key={line.at + line.service + line.text}>
              <td class="mono">{clock(line.at)}</td>
              <td>{line.service}</td>
              <td><span class={`status ${tones[line.level] ?? "calm"}`}>{line.level}</span></td>
              <td class="line-text">
                {line.text}
                {Object.entries(line.details ?? {}).sort().map(([name, value]) => <small key={name}> {name}=<span class="mono">{value}</span></small>)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {!all && lines.length > few && <button type="button" class="quiet" onClick={() => setAll(true)}>Show all {lines.length} lines</button>}
    </Scroll>
  );
}
