// Decrypts the messages on standard input, one JSON object in a line, with http_ece, and
// fails at the first that has another plaintext than expected. Keys are base64url.
import { createECDH } from "node:crypto";
import { createInterface } from "node:readline";
import ece from "http_ece";

const bytes = (text) => Buffer.from(text, "base64url");
let messages = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const m = JSON.parse(line);
  const privateKey = createECDH("prime256v1");
  privateKey.setPrivateKey(bytes(m.private));
  const plain = ece.decrypt(bytes(m.body), { version: "aes128gcm", privateKey, authSecret: bytes(m.auth) });
  if (!plain.equals(bytes(m.plain))) throw new Error(`message ${messages} has another plaintext`);
  messages++;
}
console.log(messages);
