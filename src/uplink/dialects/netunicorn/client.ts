/**
 * Owns one request to netUnicorn's gateway: which answers are expected, and what a failure is called.
 * Must not know what is asked.
 * Invariant: a message names netUnicorn's variables, which are those that were set.
 */
import type { CallOptions } from "../../gateway.ts";
import { GatewayAnswerError, UplinkError } from "../../errors.ts";
import type { Clock } from "../../../base/clock.ts";
import { isPage, jsonIn, page, refused, type WireAnswer } from "../../http/answer.ts";
import type { Call, Wire } from "../../http/wire.ts";
import { NETUNICORN_VARIABLES } from "./variables.ts";

/** Our variables that netUnicorn's stand for. */
const RENAMED: ReadonlyMap<string | undefined, string> = new Map(
  NETUNICORN_VARIABLES.map(({ name, standsFor }) => [standsFor, name]),
);

/** Requests whose failures have names. */
export class NetunicornLine {
  readonly clock: Clock;
  readonly #wire: Wire;

  constructor(wire: Wire, clock: Clock) {
    this.#wire = wire;
    this.clock = clock;
  }

  /** The answer, if its status is one of those expected. */
  async ask(call: Call, expected: readonly number[]): Promise<WireAnswer> {
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
  refused(call: Call, answer: WireAnswer): UplinkError {
    return renamed(refused(this.name(call), answer, { now: this.clock.now(), reasonIn }));
  }

  /** Sends JSON, or nothing, and expects 200 and `null`: that is what FastAPI makes of a route that returns nothing. */
  async post(path: string, body: unknown, limits: CallOptions): Promise<void> {
    const bytes = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
    const headers = { "content-type": "application/json" };
    const call: Call = { method: "POST", path, ...limits, ...(bytes ? { body: bytes, headers } : {}) };
    const answer = await this.ask(call, [200]);
    if (jsonIn(answer) === null) return;
    throw renamed(
      new GatewayAnswerError(
        `${
          this.name(call)
        } was answered with something else than null, which netUnicorn's gateway answers: check that OUTRIDER_GATEWAY is the address of a gateway`,
      ),
    );
  }

  /** What a call is called in messages. */
  name(call: Call): string {
    return this.#wire.name(call);
  }
}

/** FastAPI's refusals: `{"detail": "…"}`, or a list of what does not fit. */
function reasonIn(body: unknown): string | undefined {
  const detail = (body as { readonly detail?: unknown } | null | undefined)?.detail;
  if (typeof detail === "string") return detail;
  return Array.isArray(detail) ? JSON.stringify(detail) : undefined;
}

function renamed<T>(error: T): T {
  if (error instanceof UplinkError) {
    error.message = error.message.replaceAll(/\bOUTRIDER_\w+/g, (name) => RENAMED.get(name) ?? name);
  }
  return error;
}
