// Fails if AsyncAPI's own parser finds anything wrong with the document, or reads less in
// it than there is.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const source = readFileSync(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(source);
const wrong = diagnostics.filter((d) => d.severity <= 1); // errors and warnings
for (const d of wrong) console.error(`${d.path.join("/")}: ${d.message}`);
if (wrong.length > 0 || document === undefined) process.exit(1);

const channels = document.channels().all();
const expected = Object.keys(JSON.parse(source).channels).length;
const complete = channels.every((c) => c.messages().all().length === 1 && c.operations().filterBySend().length >= 1);
if (channels.length !== expected || !complete) {
  console.error(`${channels.length} channels of ${expected}; each must have one message and a publisher`);
  process.exit(1);
}
console.log(`${channels.length} events, ${document.operations().all().length} operations`);
