// Sample orders, for those who look at an empty console or want to see a way to fail.
import { post, session } from "./api";
import { useAction } from "./data";
import { Icon } from "./parts/icon";
import { Notice, readOnly, readOnlyText } from "./parts/parts";
import { go, href } from "./router";
import { arrival } from "./stream";

export const samples: [kind: string, text: string][] = [
  ["paid", "one that is paid"], ["declined", "the card is declined"], ["out_of_stock", "out of stock"],
];

// mayPlace reports whether sample orders can be placed here: not where customers order.
export const mayPlace = (): boolean => !readOnly() && session.value?.environment !== "production";

// placeSampleOrder places an order and shows it.
export async function placeSampleOrder(kind: string): Promise<void> {
  const { order_id } = await post<{ order_id: string }>("sample-order", { kind });
  await arrival(order_id);
  go(href("orders", order_id));
}

export function SampleOrders({ large = false }: { large?: boolean }) {
  const { busy, failure, run } = useAction();
  if (readOnly()) return <p class="note">{readOnlyText}</p>;
  if (!mayPlace()) return <p class="note">Sample orders are placed in development only.</p>;
  return (
    <>
      <div class={large ? "samples large" : "samples"}>
        {samples.map(([kind, text], i) => (
          <button type="button" key={kind} class={i === 0 ? "primary" : ""} disabled={busy} onClick={() => void run(() => placeSampleOrder(kind))}>
            {i === 0 && <Icon name="add" />}
            {i === 0 ? "Place a sample order" : `… ${text}`}
          </button>
        ))}
      </div>
      {failure && <Notice tone="bad" text={failure} />}
    </>
  );
}
