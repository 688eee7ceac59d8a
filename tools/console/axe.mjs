// Looks at a page with axe.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const all = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };

// findings returns what axe finds on a page, or in a part of it, a line each.
export async function findings(page, runOnly = all, within = "html") {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(([part, only]) => axe.run(part, { runOnly: only }), [within, runOnly]);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`));
}
