// The services: probes, instances, consumers, circuit breakers and settings of each.
import { useData } from "../data";
import { count, duration, moment, rate } from "../format";
import { Age, Empty, Loaded, Page, Scroll } from "../parts/parts";
import { Status } from "../parts/status";
import { href } from "../router";
import type { BreakerState, Service, Services } from "../view";

export function ServicesPage({ name }: { name: string }) {
  const data = useData<Services>("services", 5000);
  return (
    <Page title={name || "Services"} note={name && <a href={href("services")}>All services</a>}>
      <Loaded data={data}>{({ items }) => {
        if (!name) return <List items={items} />;
        const service = items.find((item) => item.name === name);
        return service ? <One service={service} /> : <Empty icon="services" title={`There is no service ${name}`} />;
      }}</Loaded>
    </Page>
  );
}

function List({ items }: { items: Service[] }) {
  return (
    <Scroll label="Services" class="card flush">
      <table class="rows">
        <thead><tr><th>Service</th><th>State</th><th class="number">Rate</th><th class="number">Queued</th><th class="number">Parked</th><th class="number">Outbox</th><th class="number wide">Instances</th><th class="wide">Circuit breakers</th></tr></thead>
        <tbody>
          {items.map((service) => (
            <tr key={service.name}>
              <td><a href={href("services", service.name)}>{service.name}</a></td>
              <td><Status of={service.state} />{service.reason && <small> {service.reason}</small>}</td>
              <td class="number">{rate(service.rate)}</td>
              <td class="number">{service.queue}</td>
              <td class="number">{service.parked}</td>
              <td class="number">{service.outbox}</td>
              <td class="number wide">{service.instances?.length ?? 0}</td>
              <td class="wide"><Breakers all={service.breaker_states ?? []} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Breakers({ all }: { all: BreakerState[] }) {
  const notClosed = all.filter(({ state }) => state !== "closed");
  if (all.length === 0) return <span class="note">none</span>;
  if (notClosed.length === 0) return <span class="note">{all.length} closed</span>;
  return <>{notClosed.map(({ dependency, state }) => <Status key={dependency} of={state} word={`${dependency}: ${state.replace("_", "-")}`} />)}</>;
}

function One({ service }: { service: Service }) {
  const settings = Object.entries(service.settings ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return (
    <div class="columns">
      <section class="card">
        <h2>State</h2>
        <p><Status of={service.state} /> {service.reason}</p>
        <dl class="facts">
          <div><dt>Address</dt><dd><code>{service.url}</code></dd></div>
          <div><dt>Rate</dt><dd>{rate(service.rate)}</dd></div>
          <div><dt>Waiting</dt><dd>{count(service.queue, "message")} in the queue, {count(service.parked, "event")} for another attempt, {service.outbox} to publish</dd></div>
          {(service.probes ?? []).map(({ name, ok, text }) => <div key={name}><dt>{name}</dt><dd><Status of={ok ? "up" : "down"} word={ok ? "OK" : "Failed"} /> {text}</dd></div>)}
        </dl>
      </section>
      <section class="card">
        <h2>Instances</h2>
        {(service.instances ?? []).length === 0 ? <p class="note">None has reported lately.</p> : (
          <ul class="plain">{service.instances.map(({ name, seen_at }) => <li key={name}><code>{name}</code> <small>seen <Age at={seen_at} /> ago</small></li>)}</ul>
        )}
      </section>
      {(service.breaker_states ?? []).length > 0 && (
        <section class="card">
          <h2>Circuit breakers</h2>
          {service.breaker_states.map((breaker) => <Breaker key={breaker.dependency} breaker={breaker} />)}
        </section>
      )}
      {(service.consumes ?? []).length > 0 && (
        <section class="card">
          <h2>Consumes</h2>
          <Scroll label="Consumed events">
            <table>
              <thead><tr><th>Event</th><th class="number">Rate</th><th class="number">Failed</th><th class="number">Delay</th></tr></thead>
              <tbody>{service.consumes.map(({ type, rate: perSecond, failed, lag_s }) => (
                <tr key={type}><td class="mono">{type}</td><td class="number">{rate(perSecond)}</td><td class="number">{rate(failed)}</td><td class="number">{duration(lag_s * 1e6)}</td></tr>
              ))}</tbody>
            </table>
          </Scroll>
        </section>
      )}
      {settings.length > 0 && (
        <section class="card">
          <h2>Settings</h2>
          <dl class="facts settings">{settings.map(([name, value]) => <div key={name}><dt><code>{name}</code></dt><dd><code>{value === "" ? "(empty)" : value}</code></dd></div>)}</dl>
        </section>
      )}
    </div>
  );
}

function Breaker({ breaker }: { breaker: BreakerState }) {
  return (
    <>
      <p><strong>{breaker.dependency}</strong> <Status of={breaker.state} /></p>
      <ol class="plain">
        {(breaker.history ?? []).slice(0, 10).map(({ at, from, to, reason }) => (
          <li key={at + to}><span class="mono">{moment(at)}</span> {from} → {to}{reason && <small> {reason}</small>}</li>
        ))}
      </ol>
    </>
  );
}
