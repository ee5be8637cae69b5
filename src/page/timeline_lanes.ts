/**
 * Owns which attempts each worker was given, and which of them have begun there.
 * Must not know tasks, nor how an attempt ended.
 * Invariant: of the attempts that a worker was given and that have not ended, the first runs.
 */
import type { Settled } from "../model/record.ts";

/** An attempt; without `outcome` it has not ended. */
export interface AttemptView extends Omit<Partial<Settled>, "startedAt"> {
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
  /** Number of the record that settled it; its value can be asked for by it. */
  readonly seq?: number;
  startedAt?: number;
  /** How long it had waited for what is scarce as it was handed out, milliseconds. */
  readonly waitedMs?: number;
}

/** All workers' attempts. */
export class TimelineLanes {
  /** By worker, from 1: attempts in the order in which they started. */
  readonly begun: Map<number, AttemptView[]> = new Map();
  /** By worker: attempts that were given to it and have not ended. */
  readonly #given: Map<number, AttemptView[]> = new Map();
  readonly #starts: (attempt: AttemptView) => void;

  /** @param starts Told of each attempt that begins. */
  constructor(starts: (attempt: AttemptView) => void) {
    this.#starts = starts;
  }

  /** An attempt is given to a worker. */
  give(worker: number, attempt: AttemptView, at: number): void {
    const given = this.#given.get(worker);
    if (given === undefined) this.#given.set(worker, [attempt]);
    else given.push(attempt);
    this.#runFirst(worker, at);
  }

  /** It is taken from its worker again, as if it had never been there. */
  takeBack(attempt: AttemptView, at: number): void {
    const worker = attempt.worker!;
    forget(this.begun.get(worker), attempt);
    if (forget(this.#given.get(worker), attempt)) this.#runFirst(worker, at);
  }

  /** It has ended there. @param began Whether it is told when it began: what was not told never did. */
  end(attempt: AttemptView, began: boolean, at: number): void {
    const worker = attempt.worker!;
    const waited = forget(this.#given.get(worker), attempt);
    if (began) this.#keep(attempt);
    else if (waited) forget(this.begun.get(worker), attempt);
    this.#runFirst(worker, at);
  }

  /** It has ended without a word of its start. */
  put(attempt: AttemptView): void {
    this.#lane(attempt.worker!).push(attempt);
  }

  /** What was under way is lost. */
  lose(attempts: Iterable<AttemptView>): void {
    this.#given.clear();
    for (const attempt of attempts) forget(this.begun.get(attempt.worker!), attempt);
  }

  #runFirst(worker: number, at: number): void {
    const first = this.#given.get(worker)?.[0];
    if (first === undefined || first.startedAt !== undefined) return;
    first.startedAt = at;
    this.#lane(worker).push(first);
    this.#starts(first);
  }

  /** An attempt that ended before it was told that it had begun is put in its place. */
  #keep(attempt: AttemptView): void {
    const lane = this.#lane(attempt.worker!);
    if (!lane.includes(attempt, Math.max(0, lane.length - 64))) lane.push(attempt);
  }

  #lane(worker: number): AttemptView[] {
    const lane = this.begun.get(worker);
    if (lane !== undefined) return lane;
    const made: AttemptView[] = [];
    this.begun.set(worker, made);
    return made;
  }
}

/** Whether it was in the list. */
function forget(list: AttemptView[] | undefined, attempt: AttemptView): boolean {
  const at = list?.lastIndexOf(attempt) ?? -1;
  if (at >= 0) list!.splice(at, 1);
  return at >= 0;
}
