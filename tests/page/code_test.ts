/**
 * Holds the embedded page to its sources, and to asking nobody for anything.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { bundlePage, pageCodeFile, pageCodePath } from "../../tools/build_page.ts";
import { pageDocument, reportHtml } from "../../src/page/page.ts";

test("src/page/code.ts is what the sources in src/page/ give", () => {
  const committed = readFileSync(pageCodePath, "utf8");
  assert.ok(
    committed === pageCodeFile(bundlePage()),
    "src/page/code.ts is not current: run `npm run build:page` and commit it",
  );
});

test("the page names no address but those of XML's own", () => {
  const addresses = pageDocument.html.match(/https?:\/\/[\w.-]+/g) ?? [];
  assert.deepEqual(addresses.filter((address) => address !== "http://www.w3.org"), []);
});

test("the page's policy lets no script run but its own", () => {
  assert.match(pageDocument.policy ?? "", /script-src 'sha256-[\w+/=]+';/);
  assert.doesNotMatch(pageDocument.policy ?? "", /unsafe|\*/);
});

test("what is in a report can't end the block that it is in", () => {
  const hostile = JSON.stringify({ text: "</script><script>alert(1)</script><!--" });
  const html = [...reportHtml({ head: [hostile], records: [hostile], logs: [], store: [hostile] })].join("");
  assert.equal(html.match(/<\/script>/g)!.length, pageDocument.html.match(/<\/script>/g)!.length);
  assert.equal(html.includes("<!--"), false);
  const block = /id="outrider-head">([^<]*)<\/script>/.exec(html)![1]!;
  assert.deepEqual(JSON.parse(block), JSON.parse(hostile));
});
