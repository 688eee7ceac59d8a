// Causes each fault of the lab in a real system, and goes from the overview to its cause as an
// admin does: in at most three clicks. Then it looks at every page that shows the system.
import assert from "node:assert/strict";
import { CONSOLE, open, patience, run, settled } from "./browser.mjs";

const { EMAIL, PASSWORD } = process.env;
const mostClicks = 3;
const lasts = 120; // seconds, so that a fault is ended by this script also on a slow machine
const page = await open({ allowed: [401, 502, 503, 504] });

let clicks = 0;
async function click(selector) {
  clicks++;
  await page.click(selector);
}

// call calls the API of the system with the session of the page. It returns undefined for an answer
// that is no success.
const call = (method, path, body) => page.evaluate(async ([method, path, body]) => {
  const headers = { "X-Troupe-Console": "1", ...(body && { "Content-Type": "application/json" }) };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  return response.ok ? response.json().catch(() => ({})) : undefined;
}, [method, path, body]);

// until calls ask until its answer passes check, and returns it.
async function until(what, ask, check) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && check(answer)) return answer;
    assert.ok(Date.now() < end, `${what}: ${JSON.stringify(answer)?.slice(0, 500)}`);
    await page.waitForTimeout(200);
  }
}

// contains waits until an element of the page has a text that matches.
const contains = (pattern, selector = "main") => until(`${pattern} is not in ${selector}`,
  () => page.evaluate((selector) => [...document.querySelectorAll(selector)].map(({ innerText }) => innerText).join("\n"), selector),
  (text) => pattern.test(text));

async function signIn() {
  await page.goto(CONSOLE + "/console/");
  await page.fill("[name=email]", EMAIL);
  await page.fill("[name=password]", PASSWORD);
  await page.click("button");
  await page.waitForSelector("h1:has-text('Overview')");
  await settled(page);
}

const faults = () => call("GET", "/console/api/lab");
const faultOf = async (id) => (await faults())?.items.find((fault) => fault.id === id);
const orderOf = (id) => call("GET", `/console/api/orders/${id}`);
const ended = ({ status }) => status === "paid" || status === "cancelled";

// start causes a fault, and returns the id of the order that shows it once the console knows the order.
async function start(id, bySeconds) {
  await until("the shop does not answer", () => call("GET", "/products?limit=1"), () => true);
  const { title } = await until("no such fault", () => faultOf(id), () => true);
  if (bySeconds) {
    await until(`${id} is not caused`, () => call("POST", `/console/api/lab/${id}?seconds=${lasts}`), () => true);
  } else {
    await page.click("nav >> text=Lab");
    await page.click(`button[aria-label="Start: ${title}"]`);
  }
  const { order_id } = await until(`${id} placed no order`, () => faultOf(id), (fault) => fault.order_id);
  await until(`the order of ${id} is not in the list`, () => call("GET", `/console/api/orders?q=${order_id}`), ({ items }) => items.length > 0);
  return order_id;
}

// The ways from the overview to a cause.
const throughOrders = (order) => async () => {
  await click("nav >> text=Orders");
  await click(`td a[href$="/orders/${order}"]`);
};
const throughAttention = (text) => async () => click(`.attention a:has-text("${text}")`);

// fault returns the step that causes a fault, finds its cause, and ends it.
function fault(id, { shows, where = "main", attention, then, temporary = false }) {
  return async () => {
    const order = await start(id, temporary);
    await page.goto(CONSOLE + "/console/");
    await page.waitForSelector("h1:has-text('Overview')");
    if (temporary) await page.waitForSelector(".faults a:has-text('Its order')");
    clicks = 0;
    await (attention ? throughAttention(attention) : throughOrders(order))();
    if (then) await click(then);
    await contains(shows, where);
    assert.ok(clicks <= mostClicks, `${clicks} clicks`);
    console.log(`${id}: ${clicks} clicks`);
    if (temporary) await page.click(".faults button:has-text('End now')");
    await until(`${id} does not end`, () => faultOf(id), ({ active }) => !active);
    await until(`the order of ${id} does not end`, () => orderOf(order), ended);
  };
}

const cause = "text=Show the cause";
const verdict = ".verdict .words";

const steps = {
  "sign in": signIn,
  "card declined": fault("card_declined", { then: cause, shows: /payments publishes payment\.declined/i, where: ".panel h2" }),
  "out of stock": fault("out_of_stock", { then: cause, shows: /inventory publishes stock\.rejected/i, where: ".panel h2" }),
  "provider times out": fault("provider_times_out", { shows: /the payment provider (has not answered|took)/i, where: verdict }),
  "provider down": fault("provider_down", { shows: /the payment provider (has not answered|took)/i, where: verdict, temporary: true }),
  "capture fails": fault("capture_fails", { shows: /the money could not be collected/i, where: verdict }),
  "poison event": fault("poison_event", { attention: "notifications", shows: /notifications order\.paid[^]*json/ }),
  "duplicate delivery": fault("duplicate_delivery", { shows: /came twice and took effect once/i, where: verdict, temporary: true }),
  "lost acknowledgement": fault("lost_acknowledgement", { shows: /came twice and took effect once/i, where: verdict, temporary: true }),
  "slow consumer": fault("slow_consumer", { shows: /Waiting for payments|only after/i, where: verdict, temporary: true }),
  "broker away": fault("broker_away", { shows: /order\.created has not reached them/i, where: verdict, temporary: true }),
  "service killed": fault("service_killed", { attention: "payments", shows: /payments[^]*(does not answer|not ready|stopped)/i, temporary: true }),
  "service down": fault("service_down", { attention: "inventory", shows: /inventory[^]*does not answer/i, temporary: true }),
  "open circuit": fault("open_circuit", { attention: "inventory", then: "main >> text=gateway", shows: /the lab/i, temporary: true }),
  "database away": fault("database_away", { attention: "payments", shows: /payments[^]*cannot reach its database/i, temporary: true }),
};

// services shows all services, and what is known about two of them.
async function services() {
  await page.click("nav >> text=Services");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 6);
  await page.click("main >> text=payments");
  await contains(/order\.created\.v1/);
  await contains(/LOG_LEVEL/);
  await contains(/readyz\s+OK/);
  await page.click("text=All services");
  await page.click("main >> text=gateway");
  await contains(/inventory[^]*open[^]*the lab/);
}

async function traces() {
  await page.click("nav >> text=Traces");
  await page.click("tbody tr td a");
  await page.waitForSelector(".waterfall .span");
  await page.click(".waterfall .span");
  await contains(/Kind/);
}

// tracedOrder places orders until one is traced: a few traces are kept each second.
async function tracedOrder() {
  const { id } = await until("no order is traced", async () => {
    const placed = await call("POST", "/console/api/sample-order", { kind: "paid" });
    return placed && until("the order does not end", () => orderOf(placed.order_id), ended);
  }, ({ spans }) => spans.length > 0);
  await page.goto(`${CONSOLE}/console/orders/${id}`);
  await page.waitForSelector(".more .waterfall .span");
}

// orderInFull shows an order that has waited: what was logged, its mails, and the states before and after a step. Its
// fold is opened by the keyboard.
async function orderInFull() {
  const { order_id: order } = await faultOf("provider_down");
  await page.goto(`${CONSOLE}/console/orders/${order}`);
  await page.waitForSelector("section:has(h2:text-is('Logged by the services')) tr:has-text('has not answered')");
  await page.waitForSelector(".mails a");
  await page.focus(".fold .button");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".fold.open .button[aria-expanded=true]");
  await page.click("[aria-label='orders handles payment.authorized']");
  await contains(/Payment\s+none → authorized/, ".panel");
  const whole = await page.locator(".node").count();
  await page.click("text=From this step");
  await page.waitForFunction((whole) => document.querySelectorAll(".node").length < whole, whole);
  await page.click(".zoom .chip");
  await page.waitForFunction((whole) => document.querySelectorAll(".node").length === whole, whole);
}

async function mailbox() {
  await page.click("nav >> text=Mailbox");
  await page.click(".choice >> text=Mails");
  await page.click(".mails a");
  await page.waitForSelector(".letter:has-text('order')");
}

async function lab() {
  await page.click("nav >> text=Lab");
  await page.waitForFunction(() => document.querySelectorAll("li.fault").length === 14 && !document.querySelector("li.fault.active"));
}

// deadLetters replays the dead letter of the poison event, sees it come back, and discards it.
async function deadLetters() {
  await page.click("nav >> text=Dead letters");
  await page.click("[aria-label^='Replay 1 event order.paid to notifications']");
  await page.click("dialog button.primary");
  await page.waitForSelector("[role=status] >> text=1 event replayed.");
  await page.waitForSelector(".status:has-text('1 came back')");
  await page.click("[aria-label^='Discard 1 event order.paid to notifications']");
  await page.fill("dialog input", "the lab made it");
  await page.click("dialog button[type=submit]");
  await page.waitForSelector("[role=status] >> text=1 event discarded.");
  await page.waitForSelector("[aria-label^='Discard 1 event order.paid to notifications']", { state: "detached" });
  await page.click("nav >> text=Actions");
  await page.waitForSelector("td:has-text('the lab made it')");
}

await run({
  ...steps,
  "services": services, "traces": traces, "an order in full": orderInFull, "spans of an order": tracedOrder, "mailbox": mailbox, "dead letters": deadLetters, "lab": lab,
});
