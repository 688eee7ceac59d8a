// Opens the push page in Chromium, subscribes it, and gives it the pushes of standard input,
// a line each, as the browser does when it has decrypted one. Prints what the browser shows
// for it, as JSON in a line.
//
// Chromium's own push service is not reachable in tests. So PushManager.subscribe returns
// the subscription in SUBSCRIPTION, and DevTools deliver the pushes to the service worker.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const { GATEWAY, EMAIL, PASSWORD, SUBSCRIPTION, CHROMIUM } = process.env;
const print = (value) => console.log(JSON.stringify(value));

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext();
await context.grantPermissions(["notifications"], { origin: GATEWAY });
const page = await context.newPage();
const violations = [];
page.on("console", (message) => message.type() === "error" && violations.push(message.text()));
page.on("pageerror", (error) => violations.push(error.message));
await page.addInitScript((subscription) => {
  PushManager.prototype.getSubscription = async () => null;
  PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
    window.applicationServerKey = Array.from(applicationServerKey);
    return { toJSON: () => subscription };
  };
}, JSON.parse(SUBSCRIPTION));

const registered = new Promise((resolve) => {
  context.newCDPSession(page).then(async (devtools) => {
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => first && resolve({ devtools, id: first.registrationId }));
    await devtools.send("ServiceWorker.enable");
  });
});
await page.goto(GATEWAY + "/push");
await page.fill("[name=username]", EMAIL);
await page.fill("[name=password]", PASSWORD);
await page.click("#sign-in button");
await page.click("#subscribe");
await page.waitForFunction(() => document.getElementById("status").textContent.includes("receives your pushes"));
const { devtools, id } = await registered;
print({ subscribed: true, key: Buffer.from(await page.evaluate(() => window.applicationServerKey)).toString("base64url") });

const notifications = () => page.evaluate(async () => {
  const registration = await navigator.serviceWorker.ready;
  const all = await registration.getNotifications();
  return all.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
});

// click dispatches the click on the only notification, which only a person can do otherwise.
async function click() {
  const [worker] = context.serviceWorkers();
  await worker.evaluate(async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
  });
}

for await (const push of createInterface({ input: process.stdin })) {
  const before = await page.locator("#received li").count();
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: GATEWAY, registrationId: id, data: push });
  await page.waitForFunction((n) => document.querySelectorAll("#received li").length > n, before);
  const shown = await notifications();
  await click();
  const { order_id: order } = JSON.parse(push);
  if (order) await page.waitForFunction((wanted) => document.getElementById("order").dataset.order === wanted, order);
  print({ shown, left: await notifications(), listed: await page.locator("#received li").first().innerText(), order: await page.locator("#order").innerText(), violations });
}
await browser.close();
