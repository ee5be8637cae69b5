/** A failure that docs/operations.md helps with names the section, and the page has it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { operationsHint } from "../../src/base/operations.ts";
import { ROOT } from "../rig.ts";

function failed(
  message: string,
  { code, cause }: { readonly code?: string; readonly cause?: unknown } = {},
): Error {
  return Object.assign(new Error(message, { cause }), code === undefined ? {} : { code });
}

const TLS = ": see docs/operations.md#tls-and-a-private-certificate-authority";
const PROXY = ": see docs/operations.md#a-proxy";
const READ_ONLY = ": see docs/operations.md#a-read-only-file-system";

test("what Deno, Node and Bun say of TLS, proxies and read-only file systems leads to its section", () => {
  const deno = (why: string) => failed("fetch failed", { cause: failed(`client error (Connect): ${why}`) });
  const cases: readonly (readonly [error: unknown, hint: string])[] = [
    [
      failed("fetch failed", {
        cause: failed("unable to verify the first certificate", { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }),
      }),
      TLS,
    ],
    [failed("fetch failed", { cause: failed("self-signed certificate") }), TLS],
    [failed("fetch failed", { cause: failed("Hostname/IP does not match certificate's altnames") }), TLS],
    [
      failed("fetch failed", {
        cause: failed("SSL routines:tls_validate_record_header:wrong version number"),
      }),
      TLS,
    ],
    [deno("invalid peer certificate: UnknownIssuer"), TLS],
    [deno("received corrupt message of type InvalidContentType"), TLS],
    [failed("self signed certificate", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }), TLS],
    [failed("EPROTO: The TLS handshake failed. Does the server speak TLS on this port?"), TLS],
    [deno("proxy authentication required"), PROXY],
    [failed("Proxy refused to open a tunnel: 407 Proxy Authentication Required"), PROXY],
    [failed("EROFS: read-only file system, mkdtemp '/tmp/outrider-XXXXXX'", { code: "EROFS" }), READ_ONLY],
    [failed("Read-only file system (os error 30)"), READ_ONLY],
    [failed("ENOENT: no such file or directory, mkdir 'state'"), READ_ONLY],
    [failed("connect ECONNREFUSED 127.0.0.1:8410", { code: "ECONNREFUSED" }), ""],
    [failed("ENOENT: no such file or directory, open 'pipeline.json'"), ""],
    ["EROFS", READ_ONLY],
    [undefined, ""],
  ];
  for (const [error, hint] of cases) assert.equal(operationsHint(error), hint, String(error));
});

test("only so many causes are looked at, also where they go round", () => {
  const behind = (causes: number): Error =>
    causes === 0 ? failed("EROFS") : failed(`${causes}`, { cause: behind(causes - 1) });
  assert.deepEqual([5, 6].map((causes) => operationsHint(behind(causes))), [READ_ONLY, ""]);
  assert.equal(operationsHint(failed("it", { code: "EROFS" })), READ_ONLY);
  assert.equal(operationsHint(failed("it", { cause: "EPROTO" })), TLS);
  const round = failed("one");
  round.cause = round;
  assert.equal(operationsHint(round), "");
});

test("docs/operations.md has every section that a message names", () => {
  const page = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
  const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
  );
  for (const hint of [TLS, PROXY, READ_ONLY]) {
    assert.ok(anchors.includes(hint.split("#")[1]!), `${hint} is no heading of the page`);
  }
});
