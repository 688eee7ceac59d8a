// Uses the page of the API as a newcomer does: sends every request as it is prefilled, signs
// in by the form behind Authorize, and comes back after a reload.
import assert from "node:assert/strict";
import { findings } from "./axe.mjs";
import { CONSOLE, open, run } from "./browser.mjs";

const { EMAIL, PASSWORD } = process.env;
const page = await open({ allowed: [401] });
const api = await (await fetch(CONSOLE + "/openapi.json")).json();
const operations = Object.entries(api.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, ...operation })));

// customer and example are in the examples of the document.
const example = operations.find(({ operationId }) => operationId === "registerUser").requestBody.content["application/json"].example;
const sent = new Set();

async function show(on = page) {
  await on.goto(CONSOLE + "/docs");
  await on.waitForSelector(".opblock");
}

const block = (id) => page.locator(`[id$="-${id}"].opblock`);

async function unfold(id) {
  if (await block(id).locator(".execute").count() === 0) await block(id).locator(".opblock-summary-control").click();
  await block(id).locator(".execute").waitFor();
}

// execute sends an operation's request as it is prefilled, and returns the response's body.
async function execute(id, status) {
  await unfold(id);
  const response = page.waitForResponse((one) => one.request().resourceType() === "fetch");
  await block(id).locator(".execute").click();
  const got = await response;
  assert.equal(got.status(), status, `${id} of ${got.request().postData()}: ${await got.text()}`);
  await block(id).locator(`.live-responses-table .response-col_status:has-text("${status}")`).waitFor();
  sent.add(id);
  await block(id).locator(".opblock-summary-control").click();
  return status === 204 ? undefined : got.json();
}

// signIn signs in by the password form behind Authorize.
async function signIn(email, password) {
  await page.click(".auth-wrapper .authorize");
  const logout = page.locator("[role=dialog] button:has-text('Logout'), .dialog-ux button:has-text('Logout')");
  if (await logout.count() > 0) await logout.first().click();
  await page.fill("#oauth_username", email);
  await page.fill("#oauth_password", password);
  await page.locator(".auth-container", { has: page.locator("#oauth_password") }).locator("button.authorize").click();
  await logout.first().waitFor();
  await page.click(".dialog-ux .btn-done");
}

async function order() {
  await show();
  const tags = await page.locator(".opblock-tag").evaluateAll((all) => all.map((one) => one.dataset.tag));
  assert.deepEqual(tags.slice(0, 5), ["users", "inventory", "orders", "payments", "notifications"]);
  const first = await page.locator(".opblock-summary-path").evaluateAll((all) => all.slice(0, 4).map((one) => one.dataset.path));
  assert.deepEqual(first, ["/users", "/users", "/token", "/users/me"]);
}

async function withoutAccount() {
  await execute("getMe", 401);
  assert.equal((await execute("registerUser", 201)).email, example.email);
  assert.ok((await execute("createToken", 200)).access_token);
  assert.ok((await execute("listProducts", 200)).items.length > 0);
}

async function asCustomer() {
  await signIn(example.email, example.password);
  assert.equal((await execute("getMe", 200)).email, example.email);
  const placed = await execute("placeOrder", 201);
  assert.equal(placed.status, "pending");
  assert.equal((await execute("listOrders", 200)).items[0].id, placed.id);
  await execute("updateMe", 200);
  await execute("putPreferences", 200);
}

// reload keeps the access token, and stores neither the password nor the refresh token.
async function reload() {
  await page.reload();
  await page.waitForSelector(".opblock");
  assert.equal((await execute("getMe", 200)).email, example.email);
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.ok(stored.includes("access_token") && !stored.includes(example.password) && !stored.includes("refresh_token"), stored);
}

async function leave() {
  await execute("deleteMe", 204);
  await execute("registerUser", 201);
  await signIn(example.email, example.password);
  await execute("changeMyPassword", 200);
}

async function asAdmin() {
  await signIn(EMAIL, PASSWORD);
  await execute("putProduct", 200);
  await execute("adjustStock", 200);
  await execute("createSuppression", 201);
  await execute("retryDeliveries", 200);
}

// All requests that have an example were sent, but for those about a thing that must exist.
async function all() {
  const examples = operations.filter(({ path, requestBody }) => !path.includes("{") &&
    Object.values(requestBody?.content ?? {}).some((body) => body.example !== undefined));
  assert.ok(examples.length > 5);
  for (const { operationId } of examples) assert.ok(sent.has(operationId), `${operationId} was not sent`);
}

const contrast = { type: "rule", values: ["color-contrast"] };

// legible looks at the contrast of operations of each method with their requests and
// responses, and of the form behind Authorize.
async function legible(theme) {
  const other = await open({ theme, allowed: [401] });
  await show(other);
  const scheme = await other.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  assert.equal(scheme.includes("dark"), theme === "dark", scheme);
  const opened = (id) => other.locator(`[id$="-${id}"].opblock`);
  for (const id of ["registerUser", "listOrders", "deleteMe", "updateMe", "putPreferences"]) {
    await opened(id).locator(".opblock-summary-control").click();
    await opened(id).locator(".execute").waitFor();
  }
  await opened("listOrders").locator(".execute").click();
  await opened("listOrders").locator(".live-responses-table").waitFor();
  assert.deepEqual(await findings(other, contrast), []);
  await other.click(".auth-wrapper .authorize");
  await other.waitForSelector("#oauth_password");
  assert.deepEqual(await findings(other, contrast, ".dialog-ux"), []);
  await other.context().close();
}

await run({
  "operations in the order of use": order,
  "requests without an account": withoutAccount,
  "requests of a customer": asCustomer,
  "a reload keeps the authorisation": reload,
  "requests that end an account or a session": leave,
  "requests of an admin": asAdmin,
  "every example was sent": all,
  "legible in the light": () => legible("light"),
  "legible in the dark": () => legible("dark"),
});
