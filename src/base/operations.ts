/**
 * Owns which section of docs/operations.md helps with a failure, told by the words of the runtimes and the system.
 * Must not know who failed, nor what he was doing.
 * Invariant: every section is a heading of that page, which a test holds.
 */

const PAGE = "docs/operations.md";

/** By words of a failure, in all that it was caused by. The first that fit count. */
const SECTIONS: readonly (readonly [words: RegExp, section: string])[] = [
  // Words of the tunnel to a host by TLS; what a proxy answers for plain HTTP is an answer, with a status.
  [/\bproxy\b|\b407\b/i, "a-proxy"],
  [
    /certificate|UnknownIssuer|\bCERT_|UNABLE_TO_|altnames|wrong version number|InvalidContentType|EPROTO|TLS handshake/i,
    "tls-and-a-private-certificate-authority",
  ],
  // Node says of a folder below a read-only one that there is none.
  [
    /EROFS|read-?only file ?system|os error 30\b|ENOENT: no such file or directory, mkdir/i,
    "a-read-only-file-system",
  ],
];

/** What to add to a message about a failure: where the page helps, or nothing. */
export function operationsHint(error: unknown): string {
  const said = saidBy(error);
  const found = SECTIONS.find(([words]) => words.test(said));
  return found === undefined ? "" : `: see ${PAGE}#${found[1]}`;
}

/** What it says, with what it was caused by. @param depth Causes that are looked at. */
function saidBy(error: unknown, depth = 5): string {
  if (!(error instanceof Error)) return String(error);
  const { code, message } = error as Error & { readonly code?: unknown };
  const said = `${String(code)}: ${message}`;
  return depth === 0 ? said : `${said}\n${saidBy(error.cause, depth - 1)}`;
}
