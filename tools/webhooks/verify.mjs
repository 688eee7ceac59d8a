// Verifies a message as a receiver does that uses the library of Standard Webhooks:
// node verify.mjs SECRET BODY, with the headers as JSON on the standard input.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const [secret, body] = process.argv.slice(2);
const headers = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
