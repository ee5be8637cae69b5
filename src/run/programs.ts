/**
 * Owns what programs of the device are given when they run as tasks, before what the task itself says.
 * Must not know how they are run.
 * Invariant: no variable of Outrider's own configuration, its secrets least of all, gets to a program.
 */
import type { RunnerPort } from "../pool/kinds/runner.ts";

/** Variables of our own configuration. */
const OURS = /^(?:OUTRIDER|NETUNICORN)_/;

/** What tasks of a run that run in no worker are given. @param more Such as `OUTRIDER_URL`; asked for at each start. */
export function runnerPort(
  { run, runtime, clock, note }: Omit<RunnerPort, "environment">,
  more: () => Readonly<Record<string, string>> = () => ({}),
): RunnerPort {
  return {
    runtime,
    clock,
    run,
    note,
    environment: () => {
      const names = runtime.envNames().filter((name) => !OURS.test(name));
      const inherited = Object.fromEntries(names.map((name) => [name, runtime.env(name)!]));
      return { ...inherited, ...more(), OUTRIDER_RUN: run };
    },
  };
}
