// Small parts that several pages use.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { session } from "../api";
import { announce, now, type Data } from "../data";
import { age, moment } from "../format";
import { Icon } from "./icon";

type Children = { children?: ComponentChildren };

// Page has the heading of a page, which gets the focus when the page is shown.
export function Page({ title, note, actions, children }: Children & { title: string; note?: ComponentChildren; actions?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Troupe console`;
  }, [title]);
  return (
    <>
      <div class="heading">
        <h1 tabIndex={-1}>{title}</h1>
        {note && <p class="note">{note}</p>}
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

export function Age({ at }: { at: string }) {
  return <time dateTime={at} title={moment(at)}>{age(at, now.value)}</time>;
}

// Loaded shows what was read, or why it was not.
export function Loaded<T>({ data, children }: { data: Data<T>; children: (value: T) => ComponentChildren }) {
  return (
    <>
      {data.problem && <Notice tone="bad" text={data.problem.message} again={data.reload} />}
      {data.value === undefined ? !data.problem && <p class="loading">Reading…</p> : children(data.value)}
    </>
  );
}

export function Notice({ tone, text, again }: { tone: "bad" | "warn" | "ok" | "calm"; text: string; again?: () => void }) {
  return (
    <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={tone === "ok" ? "ok" : tone === "calm" ? "help" : "warn"} />
      <span>{text}</span>
      {again && <button type="button" class="quiet" onClick={again}>Try again</button>}
    </div>
  );
}

export function Empty({ icon, title, children }: Children & { icon: string; title: string }) {
  return (
    <div class="empty">
      <Icon name={icon} size={24} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

// Scroll is a part of a page that is scrolled sideways on a narrow screen.
export function Scroll({ label, children, class: name = "" }: Children & { label: string; class?: string }) {
  return <div class={`scroll ${name}`} role="region" aria-label={label} tabIndex={0}>{children}</div>;
}

export function Copy({ text, label }: { text: string | (() => string); label: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await writeClipboard(typeof text === "string" ? text : text());
    setDone(true);
    announce("Copied");
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      <Icon name={done ? "ok" : "copy"} size={14} />
      {done ? "Copied" : label}
    </button>
  );
}

// writeClipboard works on plain HTTP too, where navigator.clipboard does not exist.
async function writeClipboard(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function JSONText({ value, label }: { value: unknown; label: string }) {
  const text = JSON.stringify(value, null, 2) ?? "null";
  return (
    <div class="json">
      <pre role="region" aria-label={label} tabIndex={0}>{text}</pre>
      <Copy text={text} label="Copy" />
    </div>
  );
}

// Choice is a row of buttons of which one is pressed.
export function Choice({ label, options, value, onChoose }: {
  label: string; options: [value: string, text: string][]; value: string; onChoose: (value: string) => void;
}) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => onChoose(option)}>{text}</button>
      ))}
    </div>
  );
}

export function Sparkline({ series, label }: { series: number[]; label: string }) {
  const most = Math.max(...series, 1e-9);
  const x = (i: number) => (i / Math.max(series.length - 1, 1)) * 120;
  const y = (v: number) => 29 - (v / most) * 26;
  const line = series.map((v, i) => `${i === 0 ? "M" : "L"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return (
    <svg class="sparkline" viewBox="0 0 120 30" preserveAspectRatio="none" role="img" aria-label={label}>
      {series.length > 1 && <path class="area" d={`${line}L120 30L0 30Z`} />}
      {series.length > 1 && <path class="line" d={line} />}
    </svg>
  );
}

// Dialog is open as long as it is rendered.
export function Dialog({ title, onClose, children, class: name = "" }: Children & { title: string; onClose: () => void; class?: string }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog ref={element} class={name} aria-label={title} onClose={onClose}
      onClick={(event) => event.target === element.current && element.current?.close()}>
      <div class="dialog">{children}</div>
    </dialog>
  );
}

// readOnly reports whether nothing can be changed here, and why.
export const readOnly = (): boolean => session.value?.read_only ?? true;
export const readOnlyText = "The console is read-only here (CONSOLE_MODE=readonly).";
