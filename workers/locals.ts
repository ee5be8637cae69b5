/**
 * Owns the values that tasks of this worker have returned lately, for the tasks behind them on the same line.
 * Must not know who asks.
 * Invariant: bounded; what was let go is fetched from the executor instead.
 */
import { decode, type Value } from "../src/pipeline/value.ts";
import type { Attempt } from "./attempt.ts";

/** Values kept: no fewer than a lane may have offered. */
const MAX_VALUES = 512;
/** Length of all texts kept, in UTF-16 code units. */
const MAX_LENGTH: number = 16 * 1024 * 1024;

/** Values by task. */
export class Locals {
  readonly #values: Map<number, { readonly iteration: number; readonly text: string | undefined }> =
    new Map();
  #length = 0;

  /** Keeps the value of an attempt. */
  keep(attempt: Attempt, text: string | undefined): void {
    this.#drop(attempt.index);
    this.#values.set(attempt.index, { iteration: attempt.iteration, text });
    this.#length += text?.length ?? 0;
    while (this.#values.size > MAX_VALUES || (this.#length > MAX_LENGTH && this.#values.size > 1)) {
      this.#drop(this.#values.keys().next().value!);
    }
  }

  has(task: number, iteration: number): boolean {
    return this.#values.get(task)?.iteration === iteration;
  }

  /** A copy of the value, the asker's own. */
  get(task: number): Value | undefined {
    const text = this.#values.get(task)?.text;
    return text === undefined ? undefined : decode(text);
  }

  /** Puts in a value that was let go. */
  put(task: number, value: { readonly iteration: number; readonly text: string | undefined }): void {
    this.#drop(task);
    this.#values.set(task, value);
    this.#length += value.text?.length ?? 0;
  }

  #drop(task: number): void {
    const old = this.#values.get(task);
    if (old === undefined) return;
    this.#length -= old.text?.length ?? 0;
    this.#values.delete(task);
  }
}
