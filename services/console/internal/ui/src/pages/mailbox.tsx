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
          {mail.text ? <pre class="letter" tabIndex={0} role="region" aria-label="Text">{mail.text}</pre> : <p class="note">The text is not kept.</p>}
        </article>
      )}</Loaded>
    </Page>
  );
}
