// Writes a picture of every screen into FOLDER: in both themes and two widths if ALL is set,
// else those that the documents show.
import { join } from "node:path";
import { open, orders, run, screens, show, tell } from "./browser.mjs";

const { FOLDER, ALL } = process.env;
const order = await orders();

const shown = {
  "console-order": { path: `/console/orders/${order.declined}`, theme: "light", width: 1280, height: 800 },
  "console-order-dark": { path: `/console/orders/${order["cancelled-after-paid"]}`, theme: "dark", width: 1280, height: 800 },
  "console-order-step": { path: `/console/orders/${order.dead}`, theme: "light", width: 1280, height: 800, act: (page) => page.click("text=Show the cause") },
  "console-order-narrow": { path: `/console/orders/${order.retrying}`, theme: "light", width: 390, height: 800 },
  "console-overview": { path: "/console/", theme: "light", width: 1280, height: 860 },
  "console-orders-dark": { path: "/console/orders", theme: "dark", width: 1280, height: 640 },
  "console-events": { path: "/console/events", theme: "light", width: 1280, height: 640 },
  "console-dead-letters": { path: "/console/dead-letters", theme: "light", width: 1280, height: 560 },
  "console-trace-dark": { path: "/console/traces/4bf92f3577b34da6a3ce929d0e0e4736", theme: "dark", width: 1280, height: 480 },
  "console-lab": { path: "/console/lab", theme: "light", width: 1280, height: 700 },
};

function all(paths) {
  const pictures = {};
  for (const [name, path] of Object.entries(paths)) {
    for (const theme of ["light", "dark"]) {
      for (const width of [1440, 390]) pictures[`${name}-${theme}-${width}`] = { path, theme, width, height: 900 };
    }
  }
  return pictures;
}

const pictures = ALL ? all(await screens()) : shown;
await tell("fault/false");

await run(Object.fromEntries(Object.entries(pictures).map(([name, { path, theme, width, height, act }]) => [name, async () => {
  const page = await open({ theme, width, height });
  await page.clock.setFixedTime("2026-11-27T10:02:05Z"); // when the fixtures have just happened
  await show(page, path);
  if (act) await act(page);
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: "disabled", caret: "hide" });
  await page.context().close();
}])));
