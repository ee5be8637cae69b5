/**
 * Owns what a run comes to, for who reads its records and for who wants them as objects.
 * Must not know how a run is carried out.
 * Invariant: the objects are made for the first who asks, and all get the same ones.
 */
import type { ResultFold, RunResult } from "../model/result.ts";

/** The end of one run. */
export class RunEnding {
  readonly fold: Promise<ResultFold>;
  #result: Promise<RunResult> | undefined;

  constructor(fold: Promise<ResultFold>) {
    this.fold = fold;
    fold.catch(() => {});
  }

  get result(): Promise<RunResult> {
    return this.#result ??= this.fold.then((fold) => fold.result());
  }
}
