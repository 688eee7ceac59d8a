// What admins did in the console.
import { useData } from "../data";
import { moment, sentence } from "../format";
import { Empty, Loaded, Page, Scroll } from "../parts/parts";
import type { Actions } from "../view";

export function ActionsPage() {
  const data = useData<Actions>("actions", 10_000);
  return (
    <Page title="Actions" note="what admins did in the console">
      <Loaded data={data}>{({ items }) => items.length === 0 ? <Empty icon="actions" title="Nothing was done yet" /> : (
        <Scroll label="Actions" class="card flush">
          <table class="rows">
            <thead><tr><th>Time</th><th>Admin</th><th>Action</th><th>Target</th><th>Reason</th><th>Result</th></tr></thead>
            <tbody>
              {items.map(({ at, by, action, target, reason, result }) => (
                <tr key={at + action + target}><td class="mono">{moment(at)}</td><td>{by}</td><td>{sentence(action)}</td><td class="mono">{target}</td><td>{reason}</td><td>{result}</td></tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}</Loaded>
    </Page>
  );
}
