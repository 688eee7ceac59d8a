// Replays the event of a step to the consumer that failed, after a dry run.
import { useState } from "preact/hooks";
import { post } from "../api";
import { announce, useAction } from "../data";
import { Icon } from "../parts/icon";
import { Dialog, Notice, readOnly } from "../parts/parts";
import { count, eventName } from "../format";
import type { Replayed, Step } from "../view";

export function ReplayStep({ step }: { step: Step }) {
  const [dry, setDry] = useState<Replayed | null>(null);
  const [result, setResult] = useState("");
  const { busy, failure, run } = useAction();
  if (readOnly()) return null;
  const target = { consumer: step.lane, event_id: step.event_id };
  const look = () => run(async () => setDry(await post<Replayed>("dead-letters/replay", { ...target, dry_run: true })));
  const replay = () => run(async () => {
    const { count: n, failed } = await post<Replayed>("dead-letters/replay", target);
    const text = failed > 0 ? `${count(failed, "event")} could not be replayed.` : `${count(n, "event")} replayed to ${step.lane}.`;
    setResult(text);
    announce(text);
    setDry(null);
  });
  return (
    <div class="replay">
      <button type="button" disabled={busy} onClick={() => void look()}><Icon name="retry" />Replay…</button>
      {failure && !dry && <Notice tone="bad" text={failure} />}
      {result && <Notice tone="ok" text={result} />}
      {dry && (
        <Dialog title="Replay" onClose={() => setDry(null)}>
          <h2>Replay {eventName(step.type)} to {step.lane}?</h2>
          <p>{dry.count === 0
            ? "Nothing waits to be replayed: the event was handled meanwhile, or was discarded."
            : `${count(dry.count, "event")} will be handled again by ${step.lane}. No other consumer gets it.`}</p>
          {failure && <Notice tone="bad" text={failure} />}
          <div class="actions">
            <button type="button" class="primary" disabled={busy || dry.count === 0} onClick={() => void replay()}>Replay</button>
            <button type="button" onClick={() => setDry(null)}>Cancel</button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
