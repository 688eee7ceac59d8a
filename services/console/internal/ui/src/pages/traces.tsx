// Recent traces, and the spans of one.
import { useEffect, useState } from "preact/hooks";
import { query, session } from "../api";
import { useData } from "../data";
import { count, duration, shortID } from "../format";
import { Waterfall } from "../order/waterfall";
import { Icon } from "../parts/icon";
import { Age, Empty, Loaded, Page, Scroll } from "../parts/parts";
import { href, parameter, setParameters } from "../router";
import type { Trace, Traces } from "../view";

export function TracesPage({ id }: { id: string }) {
  return id ? <One key={id} id={id} /> : <List />;
}

function List() {
  const [q, errors, slow] = [parameter("q"), parameter("errors"), parameter("slow")];
  const data = useData<Traces>("traces" + query({ q, errors, slow }), 5000);
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  const toggle = (name: string, value: string) => setParameters({ [name]: value ? "" : "true" }, false);
  return (
    <Page title="Traces" note="the recent ones, kept in memory">
      <div class="filters">
        <form role="search" onSubmit={(event) => { event.preventDefault(); setParameters({ q: text.trim() }, false); }}>
          <input type="search" aria-label="Search traces" placeholder="Name, service, order or trace id" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </form>
        <div class="chips" role="group" aria-label="Filters">
          <button type="button" class="chip" aria-pressed={errors !== ""} onClick={() => toggle("errors", errors)}>With errors</button>
          <button type="button" class="chip" aria-pressed={slow !== ""} onClick={() => toggle("slow", slow)}>Slow</button>
        </div>
      </div>
      <Loaded data={data}>{({ items }) => items.length === 0 ? <Empty icon="traces" title="No trace"><p>None matches, or none was sampled lately.</p></Empty> : (
        <Scroll label="Traces" class="card flush">
          <table class="rows">
            <thead><tr><th>Trace</th><th>Begins with</th><th class="wide">Order</th><th class="number">Spans</th><th class="number">Duration</th><th class="number">Age</th></tr></thead>
            <tbody>
              {items.map((trace) => (
                <tr key={trace.trace_id}>
                  <td><a class="mono" href={href("traces", trace.trace_id)}>{shortID(trace.trace_id)}</a></td>
                  <td><b>{trace.service}</b> {trace.name}{trace.errors > 0 && <span class="status bad"><Icon name="warn" size={13} />{count(trace.errors, "error")}</span>}</td>
                  <td class="wide">{trace.order_id && <a class="mono" href={href("orders", trace.order_id)}>{shortID(trace.order_id)}</a>}</td>
                  <td class="number">{trace.spans}</td>
                  <td class="number">{duration(trace.took_us)}</td>
                  <td class="number"><Age at={trace.started_at} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}</Loaded>
    </Page>
  );
}

function One({ id }: { id: string }) {
  const data = useData<Trace>(`traces/${encodeURIComponent(id)}`);
  const jaeger = session.value?.jaeger_url;
  return (
    <Page title="Trace" note={<code>{id}</code>} actions={
      <>
        <a href={href("traces")}>All traces</a>
        {jaeger && <a class="button quiet" href={`${jaeger.replace(/\/$/, "")}/trace/${id}`} target="_blank" rel="noreferrer"><Icon name="out" size={14} />Open in Jaeger</a>}
      </>
    }>
      <Loaded data={data}>{({ spans }) => <section class="card"><Waterfall spans={spans ?? []} label="Spans of the trace" /></section>}</Loaded>
    </Page>
  );
}
