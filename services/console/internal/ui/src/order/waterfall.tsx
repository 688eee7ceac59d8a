// The spans of a trace, as bars on one axis of time.
import { useState } from "preact/hooks";
import { duration } from "../format";
import { Icon } from "../parts/icon";
import { Scroll } from "../parts/parts";
import { href } from "../router";
import type { Span } from "../view";

const few = 100; // spans that are shown at first

interface Row {
  span: Span;
  depth: number;
}

// rows returns the spans under their parents, and those of one parent by time.
export function rows(spans: Span[]): Row[] {
  const known = new Set(spans.map(({ span_id }) => span_id));
  const children = new Map<string, Span[]>();
  for (const span of [...spans].sort((a, b) => Date.parse(a.started_at) - Date.parse(b.started_at))) {
    const parent = span.parent_id && known.has(span.parent_id) ? span.parent_id : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const all: Row[] = [];
  const add = (parent: string, depth: number) => {
    for (const span of children.get(parent) ?? []) {
      all.push({ span, depth });
      if (depth < 50) add(span.span_id, depth + 1);
    }
  };
  add("", 0);
  return all;
}

export function Waterfall({ spans, label }: { spans: Span[]; label: string }) {
  const [chosen, choose] = useState("");
  const [all, setAll] = useState(false);
  if (spans.length === 0) return <p class="note">No spans are kept of this. The console keeps recent ones only, and a trace may be left out by sampling.</p>;
  const start = Math.min(...spans.map(({ started_at }) => Date.parse(started_at)));
  const end = Math.max(...spans.map(({ started_at, took_us }) => Date.parse(started_at) + took_us / 1000));
  const whole = Math.max(end - start, 0.001);
  const shown = rows(spans);
  return (
    <Scroll label={label} class="waterfall">
      <ol>
        {(all ? shown : shown.slice(0, few)).map(({ span, depth }) => (
          <li key={span.span_id}>
            <button type="button" class={`span ${span.error ? "failed" : ""}`} aria-expanded={chosen === span.span_id}
              onClick={() => choose(chosen === span.span_id ? "" : span.span_id)}>
              <span class="what" style={{ paddingLeft: `${Math.min(depth, 8) * 12}px` }}>
                {span.error && <Icon name="warn" size={12} />}
                <b>{span.service}</b> {span.name}
              </span>
              <svg class="bar" aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 1000 10">
                <rect x={((Date.parse(span.started_at) - start) / whole) * 1000} width={Math.max((span.took_us / 1000 / whole) * 1000, 4)} y="1" height="8" rx="2" />
              </svg>
              <span class="took">{duration(span.took_us)}</span>
            </button>
            {chosen === span.span_id && <Details span={span} />}
          </li>
        ))}
      </ol>
      {!all && shown.length > few && <button type="button" class="quiet" onClick={() => setAll(true)}>Show all {shown.length} spans</button>}
    </Scroll>
  );
}

function Details({ span }: { span: Span }) {
  return (
    <dl class="facts">
      {span.error && <div><dt>Error</dt><dd>{span.error}</dd></div>}
      <div><dt>Kind</dt><dd>{span.kind}</dd></div>
      <div><dt>Span</dt><dd><code>{span.span_id}</code></dd></div>
      {(span.links ?? []).map((trace) => <div key={trace}><dt>Linked with</dt><dd><a href={href("traces", trace)}><code>{trace}</code></a></dd></div>)}
      {Object.entries(span.attributes ?? {}).sort().map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}
