// Uses the console of a real system as an admin does: signs in, places sample orders, and
// goes from the overview to the cause of a failure.
import assert from "node:assert/strict";
import { CONSOLE, open, run, settled } from "./browser.mjs";

const { EMAIL, PASSWORD } = process.env;
const page = await open({ allowed: [401] });

const verdict = (words) => page.waitForFunction((wanted) => document.querySelector(".verdict .words")?.textContent.includes(wanted), words);

async function signIn() {
  await page.goto(CONSOLE + "/console/");
  await page.fill("[name=email]", EMAIL);
  await page.fill("[name=password]", PASSWORD);
  await page.click("button");
  await page.waitForSelector("h1:has-text('Overview')");
  await settled(page);
}

// answer calls the API as a program does.
async function answer(path, init) {
  const response = await fetch(CONSOLE + path, { method: "POST", ...init });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

// link signs a browser in with a link, which works once.
async function link() {
  const session = await answer("/token", { body: new URLSearchParams({ grant_type: "password", username: EMAIL, password: PASSWORD }) });
  const { token } = await answer("/console/api/links", {
    headers: { Authorization: `Bearer ${session.access_token}`, "Content-Type": "application/json", "X-Troupe-Console": "1" },
    body: JSON.stringify({ refresh_token: session.refresh_token }),
  });
  const other = await open({ allowed: [401] });
  await other.goto(`${CONSOLE}/console/?token=${encodeURIComponent(token)}`);
  await other.waitForSelector("h1:has-text('Overview')");
  assert.ok(!other.url().includes("token"), "the token is in the address");
  await other.reload();
  await other.waitForSelector("h1:has-text('Overview')");
  await other.context().close();
  const late = await open({ allowed: [401] });
  await late.goto(`${CONSOLE}/console/?token=${encodeURIComponent(token)}`);
  await late.waitForSelector("button:has-text('Sign in')");
  await late.context().close();
}

async function overview() {
  await page.click("nav >> text=Overview");
  await page.waitForSelector("h1:has-text('Overview')");
  await settled(page);
}

async function paidOrder() {
  await page.click("text=Place a sample order");
  await verdict("Paid after");
  await page.waitForFunction(() => document.querySelector(".picture").textContent.includes("order.paid"));
  assert.equal(await page.locator(".lanes li").count(), 4, "lanes of orders, inventory, payments and notifications");
}

// declinedOrder places an order whose card is declined, and finds its cause from the
// overview in three clicks.
async function declinedOrder() {
  await overview();
  await page.click("text=the card is declined");
  await verdict("the card was declined");
  await overview();
  await page.click("nav >> text=Orders"); // 1
  await page.click("tr:has-text('the card was declined') a"); // 2
  await page.click("text=Show the cause"); // 3
  await page.waitForSelector(".panel h2:has-text('payments publishes payment.declined')");
}

// tail shows what happens while it is watched.
async function tail() {
  const other = await page.context().newPage();
  await page.click("nav >> text=Events");
  await page.waitForSelector(".tail .row:has-text('payment.declined')");
  await other.goto(CONSOLE + "/console/");
  await settled(other);
  await other.click("text=out of stock");
  await other.waitForSelector(".verdict:has-text('out of stock')");
  await other.close();
  await page.waitForSelector(".tail .row:has-text('stock.rejected')");
}

// bundle exports an order and opens the file.
async function bundle() {
  await page.click("nav >> text=Orders");
  await page.click("tr:has-text('the card was declined') a");
  const downloads = page.waitForEvent("download");
  await page.click("text=Export bundle");
  const path = await (await downloads).path();
  await page.click("nav >> text=Orders");
  await page.setInputFiles("input[type=file]", path);
  await page.waitForSelector("text=This order is shown from a file");
  await verdict("the card was declined");
}

async function actions() {
  await page.click("nav >> text=Actions");
  await page.waitForSelector("td:has-text('Place sample order')");
}

await run({
  "sign in": signIn,
  "sign in by a link": link,
  "a paid order": paidOrder,
  "from the overview to the cause of a failure": declinedOrder,
  "tail of events": tail,
  "bundle": bundle,
  "actions": actions,
});
