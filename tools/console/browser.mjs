// What the scripts share: a browser whose pages fail on any error, on any violation of the
// content security policy, and on any request that leaves the origin.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

export const { CONSOLE } = process.env;

// patience is how long a condition may take: machines of CI are slow.
export const patience = 120_000;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--js-flags=--expose-gc"] });
const breaches = [];

// open returns a page in a context of its own. allowed are statuses of answers that the
// script provokes, which Chromium reports as errors.
export async function open({ theme = "light", width = 1440, height = 900, allowed = [], cookies = [] } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height }, reducedMotion: "reduce", locale: "en-GB", timezoneId: "UTC" });
  if (cookies.length > 0) await context.addCookies(cookies);
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const breach = (text) => breaches.push(`${page.url()}: ${text}`);
  page.on("console", (message) => {
    if (message.type() === "error" && !allowed.some((status) => message.text().includes(`status of ${status}`))) breach(message.text());
  });
  page.on("pageerror", (error) => breach(error.stack));
  page.on("request", (request) => request.url().startsWith(CONSOLE) || breach(`requests ${request.url()}`));
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
  return page;
}

// show opens a path and waits until it has read what it shows.
export async function show(page, path) {
  await page.goto(CONSOLE + path);
  await settled(page);
}

export const settled = (page) => page.waitForFunction(() =>
  document.querySelector("h1") && ![...document.querySelectorAll(".loading")].length);

export const orders = async () => (await fetch(CONSOLE + "/test/orders")).json();
export const tell = (path) => fetch(CONSOLE + "/test/" + path, { method: "POST" });
export const acted = async () => (await fetch(CONSOLE + "/test/acted")).json();

// screens are all pages, with the fixtures of the test.
export async function screens() {
  const order = await orders();
  return {
    overview: "/console/",
    orders: "/console/orders",
    order: `/console/orders/${order.declined}`,
    "order-step": `/console/orders/${order.declined}?event=0198b4c2-7b1a-7c3e-9d55-000000000004&service=payments`,
    "order-table": `/console/orders/${order.retrying}?view=table`,
    "order-raw": `/console/orders/${order.paid}?view=raw`,
    "order-dead": `/console/orders/${order.dead}`,
    "order-cancelled-after-paid": `/console/orders/${order["cancelled-after-paid"]}`,
    events: "/console/events",
    "dead-letters": "/console/dead-letters",
    "dead-letters-group": "/console/dead-letters/g1",
    services: "/console/services",
    service: "/console/services/gateway",
    traces: "/console/traces",
    trace: "/console/traces/4bf92f3577b34da6a3ce929d0e0e4736",
    mailbox: "/console/mailbox",
    mail: "/console/mailbox/m1",
    lab: "/console/lab",
    actions: "/console/actions",
    docs: "/console/docs",
    "no-such-page": "/console/nowhere",
  };
}

// run runs the steps of a script, and fails if a page has breached a rule.
export async function run(steps) {
  try {
    for (const [name, step] of Object.entries(steps)) {
      const begin = Date.now();
      await step();
      assert.deepEqual(breaches, [], name);
      console.log(`ok ${name} (${Date.now() - begin} ms)`);
    }
  } catch (error) {
    console.log("failed:", error.stack, breaches);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}
