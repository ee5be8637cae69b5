/**
 * Owns tasks that are functions in a process of their own kind, as a plan has them: what `isolation` makes of a function.
 * Must not know how one is written (module.ts), nor how the process is run (pool/kinds/isolated.ts).
 * Invariant: it stands in plans alone, so no pipeline is written in this form.
 */
import * as v from "valibot";
import type { FunctionSource, OwnKind } from "./kind.ts";

/** A function in a process, as it stands in a plan. */
export type IsolatedRun = FunctionSource & {
  readonly isolated: true;
  /** The most memory that its process may have, bytes. */
  readonly memoryBytes?: number;
};

/** Functions in processes. */
export const isolatedKind: OwnKind<object, IsolatedRun> = {
  key: "isolated",
  name: "task",
  schema: v.never(),
  place: "kept",
  problems: () => [],
  resolve: (run) => run as IsolatedRun,
  bundle: (run) => run,
  // A module that is its own code is told to a process once.
  processKey: ({ module, memoryBytes = "" }) => `${memoryBytes}\n${module.startsWith("data:") ? module : ""}`,
  shown: () => ({ isolation: "process" }),
};
