/**
 * Owns a page as a document and what a browser may let it do.
 * Must not know any page.
 * Invariant: no script but the page's own can run in it, and nothing is asked of another host.
 */

/** A document, and what a browser may let it do (Content-Security-Policy). */
export interface PageDocument {
  readonly html: string;
  readonly policy: string;
}

/** Script and style of a page, as a policy names them. */
export interface PageHashes {
  readonly script: string;
  readonly style: string;
}

/** What a page may do that asks nobody. */
export function policyOf({ script, style }: PageHashes): string {
  return `default-src 'none'; script-src ${script}; style-src ${style}; img-src data:; ` +
    "worker-src blob:; base-uri 'none'; form-action 'none'";
}

/** A page that asks who serves it. */
export function servedPage(html: string, hashes: PageHashes): PageDocument {
  return { html, policy: `${policyOf(hashes)}; connect-src 'self'; frame-ancestors 'none'` };
}
