/**
 * Owns the lists that mapped tasks are run over, and what becomes of their items' ends: where each item lies in the value that
 * has the list, and the value or the error of the task as a whole.
 * Must not know how tasks are scheduled, nor who runs an item.
 * Invariant: a list is not copied: an item is cut from the text of the value when it is handed out. What an error says of a
 * value or a message it says whole or not at all, so that a secret in it can be found.
 */
import { between, type Clock } from "../base/clock.ts";
import { bytesBeyond, MAX_ITEMS, MAX_VALUE_BYTES } from "../base/limits.ts";
import { type ErrorData, FAILURES, isFailure, type ItemCounts, type Outcome } from "../model/outcome.ts";
import { itemsAt, placeAt, textAt } from "../model/pointer.ts";
import type { Settled } from "../model/record.ts";
import type { Plan, PlanEach } from "../pipeline/plan/plan.ts";
import { IN_WORDS } from "../schedule/reasons.ts";
import { foundOf, wholeOrLength } from "./conditions.ts";
import type { Values } from "./values.ts";

/** How an attempt of an item ended. */
export type ItemEnd = Pick<Settled, "outcome" | "error" | "because" | "reason" | "code">;

/** What a mapped task comes to. */
export type Gathered = { readonly value?: string } | { readonly error: ErrorData };

/** A list while its items are at work. */
interface List {
  readonly iteration: number;
  readonly text: string;
  /** Where each item begins and ends. */
  readonly bounds: Int32Array;
}

/** How many failures an error names. */
const NAMED = 3;
/** Longest message of a failure that it has, in UTF-16 code units. */
const MAX_MESSAGE = 200;

/** The lists of one run. */
export class Lists {
  readonly #plan: Plan;
  readonly #values: Values;
  readonly #clock: Clock;
  readonly #of: Map<number, List> = new Map();
  /** By task: since when its items are at work, by the monotonic clock. */
  readonly #since: Map<number, number> = new Map();
  /** By the number of an item: how its last attempt ended, if not with success. */
  readonly #ends: Map<number, ItemEnd> = new Map();

  constructor(
    { plan, values, clock }: { readonly plan: Plan; readonly values: Values; readonly clock: Clock },
  ) {
    this.#plan = plan;
    this.#values = values;
    this.#clock = clock;
  }

  /** How many items a task has, or why there is no list of them. @param outcome Of the task that was to return it. */
  count(task: number, iteration: number, outcome: Outcome): number | ErrorData {
    this.#since.set(task, this.#clock.monotonic());
    const { each } = this.#plan.tasks[task]!;
    if (outcome !== "succeeded") {
      const name = JSON.stringify(this.#plan.tasks[each!.task]!.name);
      return noList(`${name} ${IN_WORDS[outcome]}, and so there is no list: see what it ended with`).error;
    }
    const list = this.#read(each!, iteration);
    if ("error" in list) return list.error;
    this.#of.set(task, list);
    return list.count;
  }

  /** A task's items are at work since then, by what a journal says. */
  began(task: number, at: number): void {
    this.#since.set(task, this.#clock.monotonic() - between(at, this.#clock.now()));
  }

  /** Since when a task's items are at work, by the monotonic clock. */
  since(task: number): number {
    return this.#since.get(task) ?? this.#clock.monotonic();
  }

  /** The JSON text of an item. */
  item(task: number, iteration: number, item: number): string {
    let list = this.#of.get(task);
    if (list?.iteration !== iteration) {
      // After a restart: the value that has the list was brought back.
      const read = this.#read(this.#plan.tasks[task]!.each!, iteration);
      if ("error" in read) throw new Error(read.error.message);
      this.#of.set(task, list = read);
    }
    return list.text.slice(list.bounds[2 * item]!, list.bounds[2 * item + 1]!);
  }

  /** An attempt of an item has ended. @param number The item's. */
  ended(number: number, end: ItemEnd): void {
    if (end.outcome === "succeeded") this.#ends.delete(number);
    else this.#ends.set(number, end);
  }

  /** What a task comes to whose items have ended: the list of their values, or of their ends. What they left is let go. */
  gather(
    task: number,
    { first, count, counts, outcome }: {
      readonly first: number;
      readonly count: number;
      readonly counts: ItemCounts;
      readonly outcome: "succeeded" | "failed" | "cancelled";
    },
  ): Gathered {
    const { each } = this.#plan.tasks[task]!;
    const gathered: Gathered = outcome === "failed"
      ? { error: { name: "ItemsError", message: this.#failures(first, count, counts) } }
      : outcome === "succeeded"
      ? this.#list(first, count, each!)
      : {};
    for (let number = first; number < first + count; number++) {
      this.#values.settle(number, undefined);
      this.#ends.delete(number);
    }
    return gathered;
  }

  /** A task's list is not needed any more. */
  letGo(task: number): void {
    this.#of.delete(task);
    this.#since.delete(task);
  }

  #list(first: number, count: number, { onItemFailure }: PlanEach): Gathered {
    const parts: string[] = [];
    let length = 0;
    for (let number = first; number < first + count; number++) {
      const text = this.#values.of(number);
      const part = onItemFailure === "stop" ? text ?? "null" : this.#entry(number, text);
      length += part.length + 1;
      if (length > MAX_VALUE_BYTES) return tooLarge(count);
      parts.push(part);
    }
    const value = `[${parts.join(",")}]`;
    return bytesBeyond(value, MAX_VALUE_BYTES) === undefined ? { value } : tooLarge(count);
  }

  /** How an item ended, as the list of a task that goes on after failures has it. */
  #entry(number: number, text: string | undefined): string {
    const end = this.#ends.get(number);
    if (end === undefined) return `{"outcome":"succeeded"${text === undefined ? "" : `,"value":${text}`}}`;
    const { outcome, error, because, reason, code } = end;
    return JSON.stringify({
      outcome,
      ...(error !== undefined && {
        error: {
          name: error.name,
          message: error.message,
          ...(error.code !== undefined && { code: error.code }),
        },
      }),
      ...(reason !== undefined && { reason }),
      ...(code !== undefined && { code }),
      ...(because !== undefined && { because }),
    });
  }

  #failures(first: number, count: number, counts: ItemCounts): string {
    const named: string[] = [];
    for (let item = 0; item < count && named.length < NAMED; item++) {
      const end = this.#ends.get(first + item);
      if (end !== undefined && isFailure(end.outcome)) named.push(`item ${item} ${inWords(end)}`);
    }
    const failures = FAILURES.reduce((sum, outcome) => sum + (counts[outcome] ?? 0), 0);
    const more = failures > named.length ? `; and ${failures - named.length} more` : "";
    const left = counts.skipped === undefined ? "" : `. Not begun after that: ${counts.skipped}`;
    return `${failures} of ${count} items failed: ${named.join("; ")}${more}${left}`;
  }

  #read(
    { task, path }: PlanEach,
    iteration: number,
  ): List & { readonly count: number } | { readonly error: ErrorData } {
    const name = JSON.stringify(this.#plan.tasks[task]!.name);
    const text = this.#values.of(task);
    const where = path === "" ? `What ${name} returned` : `What ${name} returned at ${path}`;
    const todo = `: return a list there, or correct "each"`;
    if (text === undefined) {
      return noList(`${name} has returned nothing, where a list is to be${path && ` at ${path}`}${todo}`);
    }
    const place = placeAt(text, path);
    if (place === undefined) {
      return noList(`${name} has returned nothing at ${path}, where a list is to be${todo}`);
    }
    const found = itemsAt(text, place, MAX_ITEMS);
    if (found === undefined) {
      return noList(`${where} is no list but ${foundOf(textAt(text, path)!).shown}${todo}`);
    }
    if (found.count > MAX_ITEMS) {
      return noList(
        `${where} has ${found.count} items, and a task is mapped over ${MAX_ITEMS} at most: return fewer, or groups of them`,
      );
    }
    return { iteration, text, ...found };
  }
}

function noList(message: string): { readonly error: ErrorData } {
  return { error: { name: "ItemsError", message } };
}

function tooLarge(count: number): Gathered {
  return noList(
    `The list of the ${count} items' values has more than ${
      MAX_VALUE_BYTES / 1024 ** 2
    } MiB, which is the most that a value may have: return less from each`,
  );
}

function inWords({ outcome, error, because, reason }: ItemEnd): string {
  if (outcome === "failed" && error !== undefined) {
    return `failed with ${error.name}: ${wholeOrLength(error.message, MAX_MESSAGE)}`;
  }
  const why = because === undefined ? reason === undefined ? "" : ` (${reason})` : `, as ${because}`;
  return `${IN_WORDS[outcome]}${why}`;
}
