// Sends the message of standard input, a JSON object, with the package web-push.
import { text } from "node:stream/consumers";
import webpush from "web-push";

const m = JSON.parse(await text(process.stdin));
const vapidDetails = { subject: "mailto:push@shop.example", publicKey: m.publicKey, privateKey: m.privateKey };
const answer = await webpush.sendNotification(m.subscription, m.payload, { vapidDetails, TTL: 60, urgency: "high", topic: "order" });
console.log(answer.statusCode);
