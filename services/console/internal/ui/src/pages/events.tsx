// The live tail of events. Only the rows in view are elements of the page.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api";
import { announce } from "../data";
import { clock, count, eventName, shortID } from "../format";
import { matcher } from "../filter";
import { Icon } from "../parts/icon";
import { Empty, Notice, Page, Sparkline } from "../parts/parts";
import { iconOf, toneOf, wordOf } from "../parts/status";
import { go, href, parameter, setParameters } from "../router";
import { lost, most, perSecond, received, revision, seed, tail } from "../stream";
import type { Entries, Entry } from "../view";

const rowHeight = 26;

export function EventsPage() {
  const [paused, setPaused] = useState<Entry[] | null>(null);
  const [pausedAt, setPausedAt] = useState(0);
  const filter = parameter("filter");
  const matches = useMemo(() => matcher(filter), [filter]);
  const version = revision.value;
  const entries = useMemo(() => (paused ?? tail).filter(matches), [paused, matches, paused ? 0 : version]);
  const pause = () => {
    setPausedAt(received.peek());
    setPaused(paused ? null : [...tail]);
    announce(paused ? "Resumed" : "Paused");
  };
  const read = useHistory();
  const missed = received.value - pausedAt;
  return (
    <Page title="Events" note={`the last ${most.toLocaleString("en-GB")} are kept here`} actions={
      <>
        <Sparkline series={perSecond.value} label={`Events per second, now ${perSecond.value[59]}`} />
        <span class="rate">{perSecond.value[59].toLocaleString("en-GB")}/s</span>
        <button type="button" aria-pressed={paused !== null} onClick={pause}><Icon name={paused ? "play" : "pause"} size={14} />{paused ? `Resume${missed > 0 ? `, ${count(missed, "new one")}` : ""}` : "Pause"}</button>
      </>
    }>
      <Filter />
      {lost.value > 0 && <Notice tone="warn" text={`${count(lost.value, "event")} came faster than this page could take them, and were left out.`} />}
      {entries.length === 0 && !read ? <p class="loading">Reading…</p> : entries.length === 0
        ? <Empty icon="events" title={filter ? "No event matches yet" : "No event yet"}><p>Events appear here as the services publish and handle them.</p></Empty>
        : <Tail entries={entries} paused={paused !== null} onPause={pause} />}
    </Page>
  );
}

// useHistory reads what happened before the page was opened, and reports whether it has.
function useHistory(): boolean {
  const [read, setRead] = useState(false);
  useEffect(() => {
    get<Entries>("events?limit=200").then(({ items }) => seed(items ?? []), () => undefined).finally(() => setRead(true));
  }, []);
  return read;
}

function Filter() {
  const [text, setText] = useState(parameter("filter"));
  useEffect(() => setText(parameter("filter")), [parameter("filter")]);
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <input type="search" class="long mono" aria-label="Filter events" aria-describedby="filter-help" placeholder="type:payment.* service:orders order:0198 outcome:retry" value={text}
        onInput={(event) => { setText(event.currentTarget.value); setParameters({ filter: event.currentTarget.value.trim() }); }} />
      <small id="filter-help">type, service, order, event, outcome, kind; * stands for anything; - in front leaves out</small>
    </form>
  );
}

function Tail({ entries, paused, onPause }: { entries: Entry[]; paused: boolean; onPause: () => void }) {
  const element = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [atEnd, setAtEnd] = useState(true);
  const [chosen, setChosen] = useState<number | null>(null); // the seq of the chosen row
  const scrolled = () => {
    if (!element.current) return; // the last event of a list that is no more
    const { scrollTop, clientHeight, scrollHeight } = element.current;
    following.current = scrollHeight - scrollTop - clientHeight < rowHeight * 2;
    setAtEnd(following.current);
    setView({ top: scrollTop, height: clientHeight });
  };
  const latest = () => {
    following.current = true;
    element.current!.scrollTop = element.current!.scrollHeight;
  };
  useEffect(() => {
    if (following.current) latest();
  }, [entries]);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - 10);
  const rows = entries.slice(first, first + Math.ceil(view.height / rowHeight) + 20);
  const onKeyDown = (event: KeyboardEvent) => {
    const at = chosen === null ? -1 : entries.findIndex(({ seq }) => seq === chosen);
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    if (step) choose(entries[Math.min(entries.length - 1, Math.max(0, at < 0 ? entries.length - 1 : at + step))]);
    else if (event.key === "Enter" && entries[at]) go(address(entries[at]));
    else if (event.key === " ") onPause();
    else if (event.key === "End") latest();
    else return;
    event.preventDefault();
  };
  const choose = (entry: Entry) => {
    following.current = false;
    setChosen(entry.seq);
    const y = entries.indexOf(entry) * rowHeight;
    const { scrollTop, clientHeight } = element.current!;
    if (y < scrollTop) element.current!.scrollTop = y;
    else if (y + rowHeight > scrollTop + clientHeight) element.current!.scrollTop = y + rowHeight - clientHeight;
  };
  return (
    <div class="tail-frame">
      <div class="tail" ref={element} role="log" aria-live="off" aria-label={`Events, ${entries.length}`} tabIndex={0} onScroll={scrolled} onKeyDown={onKeyDown}>
        <div class="space" style={{ height: `${entries.length * rowHeight}px` }}>
          <div class="rows" style={{ transform: `translateY(${first * rowHeight}px)` }}>
            {rows.map((entry) => <Row key={entry.seq} entry={entry} chosen={entry.seq === chosen} />)}
          </div>
        </div>
      </div>
      {!atEnd && !paused && <button type="button" class="primary latest" onClick={latest}><Icon name="down" size={14} />Jump to latest</button>}
    </div>
  );
}

const address = ({ order_id, event_id, kind, service }: Entry): string =>
  order_id ? `${href("orders", order_id)}?event=${encodeURIComponent(event_id)}${kind === "handled" ? `&service=${encodeURIComponent(service)}` : ""}` : href("events");

function Row({ entry, chosen }: { entry: Entry; chosen: boolean }) {
  const outcome = entry.kind === "published" ? "published" : entry.outcome ?? "ok";
  const content = (
    <>
      <span class="mono time">{clock(entry.at)}</span>
      <span class={`status ${toneOf(outcome)}`}>{<Icon name={iconOf(outcome)} size={12} />}<span>{outcome === "published" ? "Published" : wordOf(outcome)}</span></span>
      <span class="service">{entry.service}</span>
      <span class="type">{eventName(entry.type)}</span>
      <span class="mono order">{entry.order_id ? shortID(entry.order_id) : ""}</span>
      <span class="error">{entry.error}</span>
    </>
  );
  return entry.order_id
    ? <a class={`row ${chosen ? "chosen" : ""}`} tabIndex={-1} href={address(entry)}>{content}</a>
    : <div class={`row ${chosen ? "chosen" : ""}`}>{content}</div>;
}
