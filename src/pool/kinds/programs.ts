/**
 * Owns what the programs of one run have in common: the mark that finds those that have left their group.
 * Must not know how many run, nor when one starts.
 * Invariant: when `close` has resolved, no program of the run is left where marks can be found.
 */
import { Program } from "./program.ts";
import type { RunnerKind } from "./runner.ts";

/** Programs. */
export const programs: RunnerKind = {
  key: "command",
  open({ runtime, clock, environment, desk }) {
    const mark = runtime.newMark();
    return {
      start: (options) =>
        new Program({
          ...options,
          ...{ runtime, clock, mark, environment: environment() },
          ...(desk !== undefined && { desk }),
        }),
      close: async () => void await runtime.stopMarked(mark),
    };
  },
};
