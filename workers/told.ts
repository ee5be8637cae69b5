/**
 * Owns what an attempt is told of its task: in the text that was released with it, or by the sheet of all tasks.
 * Must not know what its code does with it.
 * Invariant: nothing is read that is not asked for: most tasks ask for little, and it is on the path between two tasks.
 */
import { clz32, hasOwn, indexOf, keys, parse, put } from "../src/base/primordials.ts";
import { unescape, type Value } from "../src/model/value.ts";
import type { Sheet } from "../src/pool/board/sheet.ts";
import type { Payload } from "../src/pool/protocol.ts";
import type { Claimed } from "../src/pool/ring/inbox.ts";

/** What an attempt is told. */
export interface AttemptTold {
  /** The place of what its function comes from. */
  readonly source: number;
  /** The name of its task. */
  readonly task: string;
  readonly params: Readonly<Record<string, Value>>;
  /** Places for inputs that the worker may have itself. */
  readonly places: number;
  /** The task whose value belongs there, or -1. */
  need(place: number): number;
  iteration(place: number): number;
  /** The input's name. */
  as(place: number): string;
  /** Which item of a mapped task it is for, and under which key of the inputs that is. */
  readonly place: Payload["n"];
  /** Inputs whose values it is told, in an object of one's own. */
  inputs(): Record<string, Value>;
}

const NONE: NonNullable<Payload["l"]> = [];

/** Told by a text. What it leaves out is not looked for in `Object.prototype`, where a task may have put it. */
export class TextTold implements AttemptTold {
  readonly #text: string;
  readonly #payload: Payload;
  readonly #needs: NonNullable<Payload["l"]>;

  /** @param text JSON text that holds the payload. @param payload What it is, where it is not the whole text. */
  constructor(text: string, payload: Payload = parse(text) as Payload) {
    this.#text = text;
    this.#payload = payload;
    this.#needs = hasOwn(payload, "l") ? payload.l! : NONE;
  }

  get source(): number {
    return this.#payload.s;
  }

  get task(): string {
    return this.#payload.t;
  }

  get params(): Readonly<Record<string, Value>> {
    return (hasOwn(this.#payload, "p") ? this.#payload.p : {}) as Readonly<Record<string, Value>>;
  }

  get places(): number {
    return this.#needs.length;
  }

  get place(): Payload["n"] {
    return hasOwn(this.#payload, "n") ? this.#payload.n : undefined;
  }

  need(place: number): number {
    return this.#needs[place]![1];
  }

  iteration(place: number): number {
    return this.#needs[place]![2];
  }

  as(place: number): string {
    return this.#needs[place]![0];
  }

  inputs(): Record<string, Value> {
    const inputs = { ...(hasOwn(this.#payload, "i") ? this.#payload.i : undefined) } as Record<string, Value>;
    if (indexOf(this.#text, 'bytes"') >= 0) {
      const names = keys(inputs);
      for (let at = 0; at < names.length; at++) put(inputs, names[at]!, unescape(inputs[names[at]!]!));
    }
    return inputs;
  }
}

/** Told by numbers, of a task without parameters none of whose inputs has another name than the task needed. */
export class SheetTold implements AttemptTold {
  readonly #sheet: Sheet;
  readonly #claimed: Claimed;

  constructor(sheet: Sheet, claimed: Claimed) {
    this.#sheet = sheet;
    this.#claimed = claimed;
  }

  get source(): number {
    return this.#sheet.source(this.#claimed.task);
  }

  get task(): string {
    return this.#sheet.name(this.#claimed.task);
  }

  get params(): Readonly<Record<string, Value>> {
    return {};
  }

  get place(): undefined {
    return undefined;
  }

  get places(): number {
    return 32 - clz32(this.#claimed.locals);
  }

  need(place: number): number {
    const { locals, task } = this.#claimed;
    return (locals >>> place & 1) === 0 ? -1 : this.#sheet.need(task, place);
  }

  iteration(): number {
    return this.#claimed.iteration;
  }

  as(place: number): string {
    return this.#sheet.name(this.need(place));
  }

  inputs(): Record<string, Value> {
    return {};
  }
}
