/**
 * Owns the page as the end point serves it, and as a file holds it: the document and what it may load.
 * Must not know what the page shows.
 * Invariant: no script but the page's own can run in it, and nothing is asked of another host.
 */
import { type PageDocument, policyOf, servedPage } from "./document.ts";
import { pageHashes, pageHtml } from "./code.ts";

/** The page that the end point serves at `/`. */
export const pageDocument: PageDocument = servedPage(pageHtml, pageHashes);

/** Lines of JSON by the block of the document that holds them. */
export interface ReportBlocks {
  /** One document, see `ReportHead` in page/feed_report.ts. */
  readonly head: Iterable<string>;
  readonly records: Iterable<string>;
  readonly logs: Iterable<string>;
  readonly store: Iterable<string>;
}

/** The page as one file that holds a finished run, in pieces. It needs no network and can't use one. */
export function* reportHtml(blocks: ReportBlocks): Generator<string> {
  const policy = `<meta http-equiv="Content-Security-Policy" content="${policyOf(pageHashes)}">\n`;
  let rest = pageHtml.replace('<meta charset="utf-8">\n', (charset) => charset + policy);
  for (const name of ["head", "records", "logs", "store"] as const) {
    const mark = `id="outrider-${name}">`;
    const at = rest.indexOf(mark) + mark.length;
    yield rest.slice(0, at);
    // In JSON, `<` stands only in strings: written as an escape, nothing in it can end the block.
    for (const line of blocks[name]) yield `${line.replaceAll("<", "\\u003c")}\n`;
    rest = rest.slice(at);
  }
  yield rest;
}
