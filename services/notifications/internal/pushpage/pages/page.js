// The page signs in, subscribes this browser, and shows what the service worker receives.
"use strict";

const element = (id) => document.getElementById(id);
const show = (text) => { element("status").textContent = text; };
let token = sessionStorage.getItem("token") || "";

// call calls the API, and throws the detail of its problem document.
async function call(method, path, body) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  if (body && !(body instanceof URLSearchParams)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const response = await fetch(path, { method, headers, body });
  const answer = response.status === 204 ? {} : await response.json();
  if (response.status === 401 && token) signOut();
  if (!response.ok) throw new Error(answer.detail || answer.title || response.statusText);
  return answer;
}

function signOut() {
  token = "";
  sessionStorage.removeItem("token");
  showAccount();
}

function showAccount() {
  element("sign-in").hidden = Boolean(token);
  element("account").hidden = !token;
}

const bytesOf = (base64url) => Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const sameKey = (subscription, key) => {
  const used = subscription.options && subscription.options.applicationServerKey;
  return Boolean(used) && bytesOf(key).every((byte, i) => byte === new Uint8Array(used)[i]);
};

async function subscribe() {
  if (await Notification.requestPermission() !== "granted") throw new Error("The browser may not show notifications: permit it in its settings.");
  const registration = await navigator.serviceWorker.ready;
  const { public_key: key } = await call("GET", "/push/key");
  let subscription = await registration.pushManager.getSubscription();
  if (subscription && !sameKey(subscription, key)) {
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ||= await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(key) });
  await call("POST", "/push/subscriptions", { ...subscription.toJSON(), application_server_key: key });
  show("This browser receives your pushes.");
}

async function unsubscribe() {
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.getSubscription();
  if (subscription) {
    const { items } = await call("GET", "/push/subscriptions");
    for (const item of items.filter((i) => i.endpoint === subscription.endpoint)) await call("DELETE", "/push/subscriptions/" + item.id);
    await subscription.unsubscribe();
  }
  show("This browser receives no pushes.");
}

function addReceived(push) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.textContent = push.title;
  if (push.order_id) button.addEventListener("click", () => attempt(() => openOrder(push.order_id)));
  item.append(button, document.createElement("br"), push.body || "");
  element("received").prepend(item);
}

async function openOrder(id) {
  if (!token) return show("Sign in to open the order.");
  const order = await call("GET", "/orders/" + encodeURIComponent(id));
  element("order").textContent = JSON.stringify(order, null, 2);
  element("order").dataset.order = order.id;
}

// attempt shows the error of an action, if there is one.
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    show(error.message);
  }
}

const wanted = () => new URLSearchParams(location.search).get("order");

element("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const form = new FormData(event.target);
    const answer = await call("POST", "/token", new URLSearchParams({ grant_type: "password", ...Object.fromEntries(form) }));
    token = answer.access_token;
    sessionStorage.setItem("token", token);
    showAccount();
    show("Signed in.");
    if (wanted()) await openOrder(wanted());
  });
});
element("subscribe").addEventListener("click", () => attempt(subscribe));
element("unsubscribe").addEventListener("click", () => attempt(unsubscribe));

attempt(async () => {
  showAccount();
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) throw new Error("This browser has no web push, or this page is not served over HTTPS or from localhost.");
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data.received) addReceived(data.received);
    if (data.open) attempt(() => openOrder(data.open));
  });
  await navigator.serviceWorker.register("/push/worker.js", { scope: "/push" });
  await navigator.serviceWorker.ready;
  show(token ? "Signed in." : "Sign in to subscribe this browser.");
  if (token && wanted()) await openOrder(wanted());
});
