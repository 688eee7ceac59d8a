// The service worker shows what arrives, and opens the order on a click.
"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

function read(data) {
  try {
    return data.json();
  } catch {
    return {};
  }
}

async function pages() {
  return self.clients.matchAll({ type: "window", includeUncontrolled: true });
}

// A push without a text was too large for the push service, or has no payload at all.
self.addEventListener("push", (event) => {
  const push = event.data ? read(event.data) : {};
  const title = push.title || "News about your order";
  const shown = self.registration.showNotification(title, {
    body: push.body || "",
    tag: push.tag || "",
    renotify: Boolean(push.tag),
    data: { order: push.order_id || "" },
  });
  event.waitUntil(shown.then(async () => {
    for (const page of await pages()) page.postMessage({ received: { ...push, title } });
  }));
});

async function open(order) {
  const path = order ? "/push?order=" + encodeURIComponent(order) : "/push";
  const [page] = await pages();
  if (!page) return self.clients.openWindow(path);
  page.postMessage({ open: order });
  return page.focus();
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data && event.notification.data.order));
});
