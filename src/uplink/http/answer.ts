/**
 * Owns what an answer over HTTP means: a refusal and whose word it is, a web page, JSON.
 * Must not know what was asked or which dialect is spoken.
 * Invariant: only what has the form in which a dialect refuses counts as the gateway's own word.
 */
import { retryAfterMs } from "../../base/backoff.ts";
import type { Bytes } from "../../base/bytes.ts";
import { utf8Text } from "../../base/utf8.ts";
import { jsonValue } from "../../model/json_text.ts";
import { operationsHint } from "../../base/operations.ts";
import { refusalIn } from "../../protocol/messages.ts";
import { GatewayAnswerError, GatewayRefusedError, type UplinkError } from "../errors.ts";

/** A whole answer. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Bytes;
}

/** The words of a refusal, if a body has the form in which a dialect refuses. */
export type ReasonIn = (body: unknown) => string | undefined;

/** The error for an answer that is no success. @param reasonIn How the gateway itself would say it. */
export function refused(
  name: string,
  answer: WireAnswer,
  { now, reasonIn }: { readonly now: number; readonly reasonIn: ReasonIn },
): UplinkError {
  const { status } = answer;
  const after = retryAfterMs(answer.headers, now);
  if (isPage(answer) && status >= 400 && status < 500 && status !== 413) {
    return withRetryAfter(new GatewayAnswerError(page(name, answer)), after);
  }
  const body = jsonIn(answer);
  const said = reasonIn(body);
  const own = said !== undefined;
  const reason = (said ?? textOf(answer)).slice(0, 300) || "no reason given";
  const whose = own || status >= 500 ? "" : ", which is not how a gateway says it: a proxy may stand between";
  return new GatewayRefusedError(
    `${name} was answered ${status}: ${reason}${whose}${adviceFor(status)}${operationsHint(whose)}`,
    { status, reason, own, word: refusalIn(body)?.code, retryAfterMs: after },
  );
}

function withRetryAfter(error: UplinkError, retryAfterMs: number | undefined): UplinkError {
  return Object.assign(error, { retryAfterMs });
}

/** Whether an answer is a web page: from a proxy, a login page, or a server that is no gateway. */
export function isPage(answer: WireAnswer): boolean {
  if (/^text\/html|^application\/xhtml/i.test(answer.headers.get("content-type") ?? "")) return true;
  return /^\s*<(!doctype|html)/i.test(new TextDecoder().decode(answer.bytes.subarray(0, 200)));
}

/** The message for a web page. */
export function page(name: string, answer: WireAnswer): string {
  return `${name} was answered ${answer.status} with a web page: a proxy or a login page stands between, or OUTRIDER_GATEWAY is not the address of a gateway`;
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403) return ": check OUTRIDER_TOKEN and OUTRIDER_EXECUTOR_ID";
  if (status === 404 || status === 405) return ": check that OUTRIDER_GATEWAY is the address of a gateway";
  return "";
}

/** An answer's JSON; `undefined` if it is none, or something of it would be lost. */
export function jsonIn(answer: WireAnswer): unknown {
  try {
    return jsonValue(utf8Text(answer.bytes));
  } catch {
    return undefined;
  }
}

function textOf({ bytes }: WireAnswer): string {
  return new TextDecoder().decode(bytes.subarray(0, 2000)).trim();
}
