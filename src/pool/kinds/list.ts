/**
 * Owns the list of what runs the kinds of tasks that run in no worker. A kind more is a file in this folder and a line here.
 * Must not know how any of them does it.
 * Invariant: each kind of pipeline/kinds/ that runs in no worker has one here, with the same key.
 */
import { isolated } from "./isolated.ts";
import { netunicorn } from "./netunicorn.ts";
import { programs } from "./programs.ts";
import { python } from "./python.ts";
import type { KeptKind, RunnerKind } from "./runner.ts";

/** Those with a process for each attempt. */
export const RUNNERS: readonly RunnerKind[] = [
  programs,
];

/** Those with processes that are kept. */
export const KEPT: readonly KeptKind[] = [
  isolated,
  netunicorn,
  python,
];
