/**
 * Owns what a worker may say on its port: calls of the services that it has, and answers to what it was asked.
 * Must not know what the services do; they check their arguments themselves.
 * Invariant: comlink sees nothing but messages that were put together here, of checked parts. Whatever else comes is told
 * as wrong, and nothing of it is looked at.
 */
import { expose, type Remote, wrap } from "comlink";
import { STRAY } from "../runtime/port.ts";
import { endpointOf, type WorkerCalls } from "./protocol.ts";
import type { Turns } from "./turns.ts";

/** Longest number of a call, in UTF-16 code units; comlink's have at most 59. */
const MAX_ID = 64;
/** Most arguments of a call. */
const MAX_ARGUMENTS = 4;
/** Calls that may wait while others have their turn. */
const MAX_WAITING = 100_000;
/** Calls that are heard in one turn. */
const IN_A_TURN = 64;

/** What a gate stands between. */
export interface PortGateOptions {
  /** Functions by name. */
  readonly services: object;
  readonly turns: Turns;
  post(message: unknown, transfer?: Transferable[]): void;
}

/** A part of a message, in the form in which comlink sends it. */
interface Wire {
  readonly type: "RAW" | "HANDLER";
  readonly name?: "throw";
  readonly value: unknown;
}

/** The main thread's end of a worker's port. */
export class PortGate {
  readonly calls: Remote<WorkerCalls>;
  readonly #services: object;
  readonly #turns: Turns;
  readonly #receive: (message: unknown) => void;
  /** Numbers of the questions that are not answered. */
  readonly #asked: Set<unknown> = new Set();
  readonly #waiting: object[] = [];
  #closed = false;

  constructor({ services, turns, post }: PortGateOptions) {
    this.#services = services;
    this.#turns = turns;
    const { endpoint, receive } = endpointOf((message, transfer) => {
      if (typeof message === "object" && message !== null && "path" in message) {
        this.#asked.add((message as { id?: unknown }).id);
      }
      post(message, transfer);
    });
    this.#receive = receive;
    expose(services, endpoint);
    this.calls = wrap<WorkerCalls>(endpoint);
  }

  /** Hears a message; returns what can't be right about it. */
  hear(message: unknown): string | undefined {
    if (message === STRAY) return "it has sent a message past its program, or one that can't be read";
    if (typeof message !== "object" || message === null) return `it has sent ${nameOf(message)}`;
    const { id, type, path } = message as Readonly<Record<string, unknown>>;
    if (typeof id !== "string" || id === "" || id.length > MAX_ID) {
      return "it has sent a message without a number";
    }
    if (path === undefined) return this.#answer(id, message);
    if (type !== "APPLY") return `it has sent a message of the type ${nameOf(type)}`;
    return this.#call(id, message);
  }

  /** Hears nothing more. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
  }

  #answer(id: string, message: object): string | undefined {
    if (!this.#asked.delete(id)) return "it has answered what it was not asked";
    const answer = wireOf(message) ?? thrownOf(message);
    if (answer === undefined) return "it has answered in a form that there is not";
    this.#receive({ id, ...answer });
    return undefined;
  }

  #call(id: string, { path, argumentList }: { readonly path?: unknown; readonly argumentList?: unknown }) {
    const name: unknown = Array.isArray(path) && path.length === 1 ? path[0] : undefined;
    if (typeof name !== "string" || !Object.hasOwn(this.#services, name)) {
      return `it has called ${nameOf(name)}, which is no service`;
    }
    if (!Array.isArray(argumentList) || argumentList.length > MAX_ARGUMENTS) {
      return `it has called ${name} with no list of arguments`;
    }
    const list = Array.from(argumentList, wireOf);
    if (list.includes(undefined)) return `it has called ${name} with an argument of a form that there is not`;
    if (this.#waiting.length >= MAX_WAITING) return `it calls faster than it can be answered`;
    this.#waiting.push({ id, type: "APPLY", path: [name], argumentList: list });
    if (this.#waiting.length === 1) this.#turns.take(this.#turn);
    return undefined;
  }

  /** Calls come in order, and others have their turn in between. */
  readonly #turn = (): void => {
    for (const call of this.#waiting.splice(0, IN_A_TURN)) if (!this.#closed) this.#receive(call);
    if (this.#waiting.length > 0) this.#turns.takeLater(this.#turn);
  };
}

/** A value as it is sent; nothing for one that a handler is to make something of. */
function wireOf(part: unknown): Wire | undefined {
  if (typeof part !== "object" || part === null) return undefined;
  const { type, value } = part as { type?: unknown; value?: unknown };
  return type === "RAW" ? { type, value } : undefined;
}

/** An error as it is sent. */
function thrownOf(part: object): Wire | undefined {
  const { type, name, value } = part as { type?: unknown; name?: unknown; value?: unknown };
  if (type !== "HANDLER" || name !== "throw" || typeof value !== "object" || value === null) return undefined;
  const { isError, value: thrown } = value as { isError?: unknown; value?: unknown };
  const error = isError === true && typeof thrown === "object" && thrown !== null ? thrown : undefined;
  const { name: kind, message, stack } = (error ?? {}) as Readonly<Record<string, unknown>>;
  return {
    type,
    name,
    value: {
      isError: true,
      value: {
        name: typeof kind === "string" ? kind : "Error",
        message: typeof message === "string" ? message : `Thrown: ${nameOf(thrown)}`,
        ...(typeof stack === "string" ? { stack } : {}),
      },
    },
  };
}

function nameOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return typeof value === "object" && value !== null ? "an object" : String(value).slice(0, 40);
}
