/**
 * Holds the embedded page to its sources, and to asking nobody for anything.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { bundlePage, pageCodeFile, PAGES } from "../../tools/build_page.ts";
import { gatewayPage } from "../../src/page/gateway/page.ts";
import { pageDocument, reportHtml } from "../../src/page/page.ts";

test("the text of each page is what the sources in src/page/ give", () => {
  for (const page of PAGES) {
    const committed = readFileSync(new URL(`../../${page.code}`, import.meta.url), "utf8");
    assert.ok(
      committed === pageCodeFile(page, bundlePage(page)),
      `${page.code} is not current: run \`npm run build:page\` and commit it`,
    );
  }
});

test("no page names an address but those of XML's own", () => {
  for (const { html } of [pageDocument, gatewayPage]) {
    const addresses = html.match(/https?:\/\/[\w.-]+/g) ?? [];
    assert.deepEqual(addresses.filter((address) => address !== "http://www.w3.org"), []);
  }
});

test("a page's policy lets no script run but its own", () => {
  for (const { policy } of [pageDocument, gatewayPage]) {
    assert.match(policy, /script-src 'sha256-[\w+/=]+';/);
    assert.doesNotMatch(policy, /unsafe|\*/);
  }
});

test("neither page carries what is the other's own", () => {
  assert.equal(pageDocument.html.includes("/v1/"), false);
  assert.equal(/\/status"|outrider-head/.test(gatewayPage.html), false);
});

test("what is in a report can't end the block that it is in", () => {
  const hostile = JSON.stringify({ text: "</script><script>alert(1)</script><!--" });
  const html = [...reportHtml({ head: [hostile], records: [hostile], logs: [], store: [hostile] })].join("");
  assert.equal(html.match(/<\/script>/g)!.length, pageDocument.html.match(/<\/script>/g)!.length);
  assert.equal(html.includes("<!--"), false);
  const block = /id="outrider-head">([^<]*)<\/script>/.exec(html)![1]!;
  assert.deepEqual(JSON.parse(block), JSON.parse(hostile));
});
