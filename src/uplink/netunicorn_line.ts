/**
 * Owns one request to netUnicorn's gateway: which answers are expected, and what a failure is called.
 * Must not know what is asked.
 * Invariant: a message names netUnicorn's variables, which are those that were set.
 */
import type { CallOptions } from "./dialect.ts";
import { GatewayAnswerError, UplinkError } from "./errors.ts";
import type { Clock } from "../base/clock.ts";
import { type Answer, type Call, isPage, page, refused, type Wire } from "./wire.ts";

/** Our variables that netUnicorn's stand for. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ["OUTRIDER_GATEWAY", "NETUNICORN_GATEWAY_ENDPOINT"],
  ["OUTRIDER_EXECUTOR_ID", "NETUNICORN_EXECUTOR_ID"],
]);

/** Requests whose failures have names. */
export class NetunicornLine {
  readonly clock: Clock;
  readonly #wire: Wire;

  constructor(wire: Wire, clock: Clock) {
    this.#wire = wire;
    this.clock = clock;
  }

  /** The answer, if its status is one of those expected. */
  async ask(call: Call, expected: readonly number[]): Promise<Answer> {
    try {
      const answer = await this.#wire.call(call);
      if (!expected.includes(answer.status)) throw this.refused(call, answer);
      if (isPage(answer)) throw new GatewayAnswerError(page(this.name(call), answer));
      return answer;
    } catch (error) {
      throw renamed(error);
    }
  }

  /** The error for an answer that is no success. */
  refused(call: Call, answer: Answer): UplinkError {
    return renamed(refused(this.name(call), answer, this.clock.now()));
  }

  /** Sends JSON, or nothing, and expects 200. */
  post(path: string, body: unknown, limits: CallOptions): Promise<Answer> {
    const bytes = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
    const headers = { "content-type": "application/json" };
    return this.ask({ method: "POST", path, ...limits, ...(bytes ? { body: bytes, headers } : {}) }, [200]);
  }

  /** What a call is called in messages. */
  name(call: Call): string {
    return this.#wire.name(call);
  }
}

function renamed<T>(error: T): T {
  if (error instanceof UplinkError) {
    error.message = error.message.replaceAll(/\bOUTRIDER_\w+/g, (name) => RENAMED.get(name) ?? name);
  }
  return error;
}
