/**
 * Owns what a run rejects with that was stopped before there was anything to run.
 * Must not know who stops runs.
 * Invariant: it says nothing of the pipeline, which nobody has read to its end.
 */

/** A run that was stopped while its pipeline was still being loaded. Nothing of it has run, and nothing is known to be wrong with it. */
export class RunStoppedError extends Error {
  /** Always `RunStoppedError`. */
  override readonly name: string = "RunStoppedError";
  /** Stable, for programs. */
  readonly code: "OUTRIDER_RUN_STOPPED" = "OUTRIDER_RUN_STOPPED" as const;
  /** Why it was stopped, in words. */
  readonly because: string;

  /**
   * Tells of the stop.
   *
   * @param because Why it was stopped, in words.
   */
  constructor(because: string) {
    super(`It was still being loaded when the run was stopped (${because})`);
    this.because = because;
  }
}
