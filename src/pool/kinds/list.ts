/**
 * Owns the list of what runs the kinds of tasks that run in no worker. A kind more is a file in this folder and a line here.
 * Must not know how any of them does it.
 * Invariant: each kind of pipeline/kinds/ whose place is its own has one here, with the same key.
 */
import { programs } from "./programs.ts";
import type { RunnerKind } from "./runner.ts";

/** All of them. */
export const RUNNERS: readonly RunnerKind[] = [
  programs,
];
