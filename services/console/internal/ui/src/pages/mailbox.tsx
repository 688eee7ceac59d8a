// What was sent to customers: mails, pushes, notices and webhooks.
import { useEffect, useState } from "preact/hooks";
import { query } from "../api";
import { useData } from "../data";
import { moment, sentence, shortID } from "../format";
import { Icon } from "../parts/icon";
import { Age, Choice, Empty, Loaded, Page } from "../parts/parts";
import { Status } from "../parts/status";
import { href, parameter, setParameters } from "../router";
import type { Mail, Mails } from "../view";

const channels: [string, string][] = [["", "All"], ["email", "Mails"], ["push", "Pushes"], ["inbox", "Inbox"], ["webhook", "Webhooks"]];
const channelIcons: Record<string, string> = { email: "mail", push: "out", inbox: "dead", webhook: "services" };

export function MailboxPage({ id }: { id: string }) {
  return id ? <One key={id} id={id} /> : <List />;
}

function List() {
  const [channel, q] = [parameter("channel"), parameter("q")];
  const data = useData<Mails>("mails" + query({ channel, q }), 5000);
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  return (
    <Page title="Mailbox">
      <div class="filters">
        <form role="search" onSubmit={(event) => { event.preventDefault(); setParameters({ q: text.trim() }, false); }}>
          <input type="search" aria-label="Search what was sent" placeholder="Subject, kind or order" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </form>
        <Choice label="Channel" options={channels} value={channel} onChoose={(value) => setParameters({ channel: value }, false)} />
      </div>
      <Loaded data={data}>{({ items }) => items.length === 0
        ? <Empty icon="mail" title="Nothing was sent"><p>Mails and pushes appear here when an order changes.</p></Empty>
        : <div class="card flush"><MailList mails={items} /></div>}
      </Loaded>
    </Page>
  );
}

// MailList is a list of what was sent, each a link to its page.
export function MailList({ mails }: { mails: Mail[] }) {
  return (
    <ul class="mails">
      {mails.map((mail) => (
        <li key={mail.channel + mail.id}>
          <a href={href("mailbox", mail.id)}>
            <Icon name={channelIcons[mail.channel] ?? "mail"} />
            <span class="subject">{mail.subject || sentence(mail.kind)}</span>
            <small>{mail.channel}, {mail.kind.replace(/_/g, " ")}</small>
            <Status of={mail.state} />
            <Age at={mail.at} />
          </a>
        </li>
      ))}
    </ul>
  );
}

function One({ id }: { id: string }) {
  const data = useData<Mail>(`mails/${encodeURIComponent(id)}`);
  return (
    <Page title={data.value?.subject || "Mail"} note={<a href={href("mailbox")}>Mailbox</a>}>
      <Loaded data={data}>{(mail) => (
        <article class="card mail">
          <dl class="facts">
            <div><dt>Channel</dt><dd>{mail.channel}</dd></div>
            <div><dt>Kind</dt><dd>{mail.kind}</dd></div>
            <div><dt>State</dt><dd><Status of={mail.state} /></dd></div>
            <div><dt>At</dt><dd>{moment(mail.at)}</dd></div>
            {mail.order_id && <div><dt>Order</dt><dd><a class="mono" href={href("orders", mail.order_id)}>{shortID(mail.order_id)}</a></dd></div>}
          </dl>
          <Content mail={mail} />
        </article>
      )}</Loaded>
    </Page>
  );
}

// Content shows the text of a mail, its HTML or its source, as far as they are kept.
function Content({ mail }: { mail: Mail }) {
  const forms = [["text", "Text", mail.text], ["html", "HTML", mail.html], ["source", "Source", mail.source]].filter(([, , content]) => content) as [string, string, string][];
  const [form, setForm] = useState("text");
  const [name, label, content] = forms.find(([name]) => name === form) ?? forms[0] ?? ["", "", ""];
  if (!name) return <p class="note">The text is not kept.</p>;
  return (
    <>
      {forms.length > 1 && <Choice label="Form" options={forms.map(([value, text]) => [value, text])} value={name} onChoose={setForm} />}
      {name === "html"
        ? <><iframe class="letter" title="The mail as HTML" sandbox="" srcdoc={harmless(content)} /><p class="note">Without its styles and its pictures.</p></>
        : <pre class="letter" tabIndex={0} role="region" aria-label={label}>{content}</pre>}
    </>
  );
}

// harmless returns HTML without the styles, scripts and pictures that the page's policy would
// refuse with a report each. The sandbox and the policy protect the reader, not this.
function harmless(html: string): string {
  return html
    .replace(/<(style|script|svg|iframe|object|video|audio|form)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<(img|link|meta|base|embed|input|source)\b[^>]*>/gi, "")
    .replace(/\s(style|background|src|on\w+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, "");
}
