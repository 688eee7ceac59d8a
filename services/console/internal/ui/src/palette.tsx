// The palette finds pages, commands, orders, events and traces.
import { useEffect, useState } from "preact/hooks";
import { get, query, session } from "./api";
import { mayPlace, placeSampleOrder, samples } from "./sample";
import { Icon } from "./parts/icon";
import { Dialog } from "./parts/parts";
import { places } from "./places";
import { go, href } from "./router";
import { nextTheme } from "./theme";
import type { Orders } from "./view";

interface Item {
  icon: string;
  title: string;
  note?: string;
  act: () => void;
}

const link = (icon: string, title: string, to: string, note?: string): Item => ({ icon, title, note, act: () => go(to) });

function commands(): Item[] {
  const all = places.filter(({ lab }) => !lab || session.value?.lab).map(({ icon, title, path }) => link(icon, title, href(...path), "Page"));
  if (mayPlace()) {
    all.push(...samples.map(([kind, text]) => ({ icon: "add", title: `Place a sample order: ${text}`, act: () => void placeSampleOrder(kind).catch(() => go(href())) })));
  }
  return [...all, { icon: "system", title: "Change the theme", act: nextTheme }];
}

// found returns where a text may lead that is no command.
function found(text: string): Item[] {
  if (text.length < 3) return [];
  const all = [
    link("search", `Orders with “${text}”`, href("orders") + query({ q: text }), "an order's id, a customer or an email address"),
    link("events", `Events with “${text}”`, href("events") + query({ filter: text }), "type:payment.* service:orders outcome:retry"),
    link("traces", `Traces with “${text}”`, href("traces") + query({ q: text })),
  ];
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(text)) all.unshift(link("orders", `Order ${text}`, href("orders", text)));
  if (/^[0-9a-f]{32}$/i.test(text)) all.unshift(link("traces", `Trace ${text}`, href("traces", text)));
  return all;
}

// useOrders returns the orders that match a text, once it has not changed for a moment.
function useOrders(text: string): Item[] {
  const [items, setItems] = useState<Item[]>([]);
  useEffect(() => {
    setItems([]);
    if (text.length < 3) return;
    const timer = setTimeout(async () => {
      const orders = await get<Orders>("orders" + query({ q: text, limit: 5 })).catch(() => ({ items: [] }));
      setItems(orders.items.map(({ id, verdict }) => link("orders", id, href("orders", id), verdict)));
    }, 200);
    return () => clearTimeout(timer);
  }, [text]);
  return items;
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const wanted = text.trim();
  const orders = useOrders(wanted);
  const matches = (item: Item) => item.title.toLocaleLowerCase().includes(wanted.toLocaleLowerCase());
  const items = [...commands().filter(matches), ...orders, ...found(wanted)];
  const act = (item: Item | undefined) => {
    if (!item) return;
    onClose();
    item.act();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setChosen((chosen + step + items.length) % items.length);
    else if (event.key === "Enter") act(items[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Search and commands" class="palette" onClose={onClose}>
      <input type="text" role="combobox" aria-label="Search and commands" aria-expanded="true" aria-controls="palette-items"
        aria-activedescendant={items[chosen] ? `palette-${chosen}` : undefined} placeholder="An order, an event, a trace, a page…"
        value={text} onInput={(event) => { setText(event.currentTarget.value); setChosen(0); }} onKeyDown={onKeyDown} />
      <ul id="palette-items" role="listbox" aria-label="Results">
        {items.map((item, i) => (
          <li key={item.title} id={`palette-${i}`} role="option" aria-selected={i === chosen} onClick={() => act(item)} onMouseMove={() => setChosen(i)}
            ref={(element) => { if (i === chosen) element?.scrollIntoView({ block: "nearest" }); }}>
            <Icon name={item.icon} />
            <span>{item.title}</span>
            {item.note && <small>{item.note}</small>}
          </li>
        ))}
      </ul>
      {items.length === 0 && <p class="note">Nothing matches.</p>}
    </Dialog>
  );
}
