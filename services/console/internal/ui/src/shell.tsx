// The frame of all pages: navigation, head, banner of active faults, palette and help.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { remove, session, signOut } from "./api";
import { announcement, now, useAction } from "./data";
import { age } from "./format";
import { helpRows, open } from "./keys";
import { Palette } from "./palette";
import { Icon, Logo } from "./parts/icon";
import { Dialog, readOnly } from "./parts/parts";
import { places } from "./places";
import { href, segments } from "./router";
import { lastAt, overview, state } from "./stream";
import { nextTheme, theme } from "./theme";
import type { Fault } from "./view";

export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <div class="shell">
      <a class="skip" href="#content">To the content</a>
      <Navigation />
      <div class="body">
        <Head />
        <Faults />
        <main id="content">{children}</main>
      </div>
      {open.value === "palette" && <Palette onClose={() => (open.value = null)} />}
      {open.value === "help" && <Help />}
      <div class="unseen" role="status" aria-live="polite">{announcement}</div>
    </div>
  );
}

function Navigation() {
  const first = segments.value[0] ?? "";
  const attention = overview.value?.attention ?? [];
  const dead = attention.filter(({ kind }) => kind === "dead_letters").reduce((sum, { count }) => sum + count, 0);
  return (
    <nav aria-label="Console">
      <a class="brand" href={href()}><Logo size={20} />Troupe</a>
      <ul>
        {places.filter(({ lab }) => !lab || session.value?.lab).map(({ path, title, icon }) => (
          <li key={title}>
            <a href={href(...path)} aria-current={first === (path[0] ?? "") ? "page" : undefined}>
              <Icon name={icon} />
              <span>{title}</span>
              {path[0] === "dead-letters" && dead > 0 && <span class="badge bad">{dead}</span>}
              {title === "Overview" && attention.length > 0 && <span class="badge warn" title="things that need attention">{attention.length}</span>}
            </a>
          </li>
        ))}
      </ul>
      <p class="version">{session.value?.version}</p>
    </nav>
  );
}

function Head() {
  const { environment = "", email = "", read_only = false } = session.value ?? {};
  return (
    <header>
      <button type="button" class="search" onClick={() => (open.value = "palette")}>
        <Icon name="search" />
        <span>Search orders, events, traces</span>
        <kbd>Ctrl K</kbd>
      </button>
      <Live />
      <span class={`environment ${environment}`}>{environment}{read_only && ", read-only"}</span>
      <button type="button" class="quiet square" onClick={nextTheme} aria-label={`Theme: ${theme.value}. Change it`} title={`Theme: ${theme.value}`}>
        <Icon name={theme.value} />
      </button>
      <button type="button" class="quiet square" onClick={() => (open.value = "help")} aria-label="Keys" title="Keys (?)"><Icon name="help" /></button>
      <button type="button" class="quiet account" onClick={() => void signOut()} title={`Sign out ${email}`}>Sign out</button>
    </header>
  );
}

const words = { live: "Live", connecting: "Connecting", closed: "Paused", lost: "Disconnected" };

function Live() {
  const since = lastAt.value ? age(new Date(lastAt.value).toISOString(), Math.max(now.value, lastAt.value)) : "";
  return (
    <span class={`stream is-${state.value}`} title="The stream of events, and the age of its last one">
      <i aria-hidden="true" />
      {words[state.value]}
      {state.value === "live" && since && <span class="since">{since === "now" ? since : `${since} ago`}</span>}
    </span>
  );
}

function Faults() {
  const faults = (overview.value?.faults ?? []).filter(({ active }) => active);
  if (faults.length === 0) return null;
  return (
    <div class="faults" role="region" aria-label="Active faults">
      {faults.map((fault) => <ActiveFault key={fault.id} fault={fault} />)}
    </div>
  );
}

function ActiveFault({ fault }: { fault: Fault }) {
  const { busy, failure, run } = useAction();
  const [ended, setEnded] = useState(false);
  const left = fault.ends_at ? Math.max(0, Math.ceil((Date.parse(fault.ends_at) - now.value) / 1000)) : null;
  if (ended) return null;
  return (
    <p>
      <Icon name="warn" />
      <span><strong>Fault of the lab:</strong> {fault.title}{left !== null && `, ends in ${left} s`}{failure && `. ${failure}`}</span>
      {fault.order_id && <a href={href("orders", fault.order_id)}>Its order</a>}
      {!readOnly() && <button type="button" disabled={busy} onClick={() => void run(async () => {
        await remove(`lab/${encodeURIComponent(fault.id)}`);
        setEnded(true);
      })}>End now</button>}
    </p>
  );
}

function Help() {
  return (
    <Dialog title="Keys" class="help" onClose={() => (open.value = null)}>
      <h2>Keys</h2>
      <dl>
        {helpRows.map(([keys, what]) => (
          <div key={keys}><dt>{keys.split(" ").map((key) => key === "or" ? " or " : <kbd>{key}</kbd>)}</dt><dd>{what}</dd></div>
        ))}
      </dl>
      <form method="dialog"><button class="primary">Close</button></form>
    </Dialog>
  );
}
