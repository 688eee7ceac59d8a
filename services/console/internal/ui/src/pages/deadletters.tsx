// Events that a service could not handle, grouped by their cause.
import { useState } from "preact/hooks";
import { post } from "../api";
import { announce, useAction, useData } from "../data";
import { count, eventName, shortID } from "../format";
import { Icon } from "../parts/icon";
import { Age, Dialog, Empty, JSONText, Loaded, Notice, Page, readOnly, readOnlyText, Scroll } from "../parts/parts";
import { Status } from "../parts/status";
import { href } from "../router";
import type { DeadLetter, DeadLetterGroup, DeadLetterGroups, DeadLetters, Replayed } from "../view";

type Act = "replay" | "discard";

interface Target {
  group?: string;
  consumer?: string;
  event_id?: string;
  all?: boolean;
}

interface Wanted {
  act: Act;
  target: Target;
  what: string;
  dry: Replayed;
}

export function DeadLettersPage({ group }: { group: string }) {
  const data = useData<DeadLetterGroups>("dead-letters", 5000);
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [result, setResult] = useState("");
  const { busy, failure, run } = useAction();
  const ask = (act: Act, target: Target, what: string) => run(async () => {
    setResult("");
    const body = { ...target, dry_run: true, ...(act === "discard" ? { reason: "dry run" } : {}) };
    setWanted({ act, target, what, dry: await post<Replayed>(`dead-letters/${act}`, body) });
  });
  const all = data.value?.items.reduce((sum, { count: n }) => sum + n, 0) ?? 0;
  return (
    <Page title="Dead letters" note="events that a consumer could not handle; a replay reaches only the consumer that failed" actions={
      !readOnly() && all > 0 && !group && <button type="button" disabled={busy} onClick={() => void ask("replay", { all: true }, "all of them")}><Icon name="retry" size={14} />Replay all…</button>
    }>
      {readOnly() && <p class="note">{readOnlyText}</p>}
      {failure && <Notice tone="bad" text={failure} />}
      {result && <Notice tone="ok" text={result} />}
      {(data.value?.unreachable ?? []).length > 0 && <Notice tone="warn" text={`No answer from ${data.value?.unreachable?.join(", ")}: their dead letters are not listed.`} />}
      <Loaded data={data}>{({ items }) => items.length === 0
        ? <Empty icon="ok" title="No dead letters"><p>Every event was handled, or is still on its way.</p></Empty>
        : <ul class="groups">{items.filter(({ id }) => !group || id === group).map((item) => <Group key={item.id} group={item} open={item.id === group} onAct={ask} />)}</ul>}
      </Loaded>
      {group && <p><a href={href("dead-letters")}>All groups</a></p>}
      {wanted && <Confirm wanted={wanted} onClose={() => setWanted(null)} onDone={(text) => { setResult(text); announce(text); void data.reload(); }} />}
    </Page>
  );
}

type OnAct = (act: Act, target: Target, what: string) => void;

function Group({ group, open: begin, onAct }: { group: DeadLetterGroup; open: boolean; onAct: OnAct }) {
  const [open, setOpen] = useState(begin);
  const what = `${count(group.count, "event")} ${eventName(group.type)} to ${group.consumer}`;
  return (
    <li class="group card">
      <div class="summary">
        <button type="button" class="toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name="right" size={14} />
          <strong>{group.count.toLocaleString("en-GB")}</strong>
          <span class="type">{group.consumer} <span class="mono">{eventName(group.type)}</span></span>
          <Status of={group.state} word={group.state === "retry" ? "Tried again by itself" : undefined} />
          {group.compensation && <span class="status undo"><Icon name="undo" size={13} />Compensation</span>}
          {group.returned > 0 && <span class="status warn"><Icon name="undo" size={13} />{group.returned} came back</span>}
        </button>
        <p class="cause-text mono">{group.cause}</p>
        <p class="note">first <Age at={group.first} /> ago, last <Age at={group.last} /> ago · <a href={href("dead-letters", group.id)}>link</a></p>
        {!readOnly() && <ActButtons onAct={(act) => onAct(act, { group: group.id }, what)} suffix={` ${what}`} />}
      </div>
      {open && <Members id={group.id} onAct={onAct} />}
    </li>
  );
}

function ActButtons({ onAct, suffix }: { onAct: (act: Act) => void; suffix: string }) {
  return (
    <div class="actions">
      <button type="button" aria-label={`Replay${suffix}`} onClick={() => onAct("replay")}><Icon name="retry" size={14} />Replay…</button>
      <button type="button" aria-label={`Discard${suffix}`} class="danger" onClick={() => onAct("discard")}>Discard…</button>
    </div>
  );
}

function Members({ id, onAct }: { id: string; onAct: OnAct }) {
  const data = useData<DeadLetters>(`dead-letters/${encodeURIComponent(id)}`, 5000);
  return (
    <Loaded data={data}>{({ items }) => (
      <Scroll label="Events of the group">
        <table>
          <thead><tr><th>Event</th><th>Order</th><th class="number">Attempts</th><th class="number">Replays</th><th>Error</th><th>Age</th><th>Action</th></tr></thead>
          <tbody>{items.map((letter) => <Member key={letter.consumer + letter.event_id} letter={letter} onAct={onAct} />)}</tbody>
        </table>
      </Scroll>
    )}</Loaded>
  );
}

function Member({ letter, onAct }: { letter: DeadLetter; onAct: OnAct }) {
  const [open, setOpen] = useState(false);
  const what = `${eventName(letter.type)} ${shortID(letter.event_id)}`;
  return (
    <>
      <tr>
        <td><button type="button" class="link mono" aria-expanded={open} onClick={() => setOpen(!open)}>{shortID(letter.event_id)}</button></td>
        <td>{letter.order_id && <a class="mono" href={`${href("orders", letter.order_id)}?event=${encodeURIComponent(letter.event_id)}&service=${encodeURIComponent(letter.consumer)}`}>{shortID(letter.order_id)}</a>}</td>
        <td class="number">{letter.attempts}</td>
        <td class="number">{letter.replays}</td>
        <td class="error-cell">{letter.error}</td>
        <td><Age at={letter.at} /></td>
        <td>{!readOnly() && <ActButtons onAct={(act) => onAct(act, { consumer: letter.consumer, event_id: letter.event_id }, what)} suffix={` ${what}`} />}</td>
      </tr>
      {open && <tr><td colSpan={7}>{letter.data === undefined ? <p class="note">The payload is not kept.</p> : <JSONText value={letter.data} label="Payload" />}</td></tr>}
    </>
  );
}

function Confirm({ wanted: { act, target, what, dry }, onClose, onDone }: { wanted: Wanted; onClose: () => void; onDone: (text: string) => void }) {
  const [reason, setReason] = useState("");
  const { busy, failure, run } = useAction();
  const discards = act === "discard";
  const submit = () => run(async () => {
    const { count: n, failed, problems } = await post<Replayed>(`dead-letters/${act}`, discards ? { ...target, reason: reason.trim() } : target);
    onDone([`${count(n, "event")} ${discards ? "discarded" : "replayed"}${failed > 0 ? `, ${failed} failed` : ""}.`, ...(problems ?? [])].join(" "));
    onClose();
  });
  return (
    <Dialog title={discards ? "Discard" : "Replay"} onClose={onClose}>
      <form onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        <h2>{discards ? "Discard" : "Replay"} {what}?</h2>
        <p>{discards
          ? `${count(dry.count, "event")} will not be handled any more. This cannot be undone.`
          : `${count(dry.count, "event")} will be handled again, by the consumer that failed and by no other.`}</p>
        {dry.failed > 0 && <Notice tone="warn" text={`${count(dry.failed, "event")} cannot be reached at the moment.`} />}
        {discards && <label>Reason, for the list of actions<input type="text" required minLength={3} value={reason} onInput={(event) => setReason(event.currentTarget.value)} /></label>}
        {(dry.kept ?? 0) > 0 && <Notice tone="warn" text={`${count(dry.kept ?? 0, "event")} of compensations cannot be discarded: they are tried until they succeed.`} />}
        {(dry.problems ?? []).map((problem) => <Notice key={problem} tone="warn" text={problem} />)}
        {failure && <Notice tone="bad" text={failure} />}
        <div class="actions">
          <button type="submit" class={discards ? "danger filled" : "primary"} disabled={busy || dry.count === 0 || (discards && reason.trim().length < 3)}>{discards ? "Discard" : "Replay"}</button>
          <button type="button" onClick={onClose}>Cancel</button>
        </div>
      </form>
    </Dialog>
  );
}
