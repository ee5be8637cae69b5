/**
 * Owns netUnicorn's environment variables, which its gateway's connectors set for every executor.
 * Must not know who reads them.
 */
import * as v from "valibot";
import { durationProblem, parseDuration } from "../../../model/duration.ts";
import type { DialectVariable } from "../dialect.ts";

/** Seconds, without a unit. */
const seconds = v.pipe(
  v.string(),
  v.check((text) => {
    const ms = durationProblem(`${text}s`) === undefined ? parseDuration(`${text}s`) : NaN;
    return ms >= 1_000 && ms <= 3_600_000;
  }, "Write a number of seconds from 1 to 3600, without a unit, such as 30"),
  v.transform((text) => parseDuration(`${text}s`)),
);

/** netUnicorn's variables, and ours that they stand for. */
export const NETUNICORN_VARIABLES: readonly DialectVariable[] = [
  {
    name: "NETUNICORN_GATEWAY_ENDPOINT",
    standsFor: "OUTRIDER_GATEWAY",
    about: "Address of netUnicorn's gateway",
    form: "URL",
  },
  {
    name: "NETUNICORN_EXECUTOR_ID",
    standsFor: "OUTRIDER_EXECUTOR_ID",
    about: "Who this executor is; `Unknown` where it is not set, as in netUnicorn's own",
    form: "id",
    fallback: "Unknown",
  },
  {
    name: "NETUNICORN_EXPERIMENT_ID",
    standsFor: "OUTRIDER_EXPERIMENT_ID",
    about: "The experiment whose flags it shares",
    form: "id",
  },
  {
    name: "NETUNICORN_EXECUTOR_HEARTBEAT_SECONDS",
    standsFor: "OUTRIDER_HEARTBEAT",
    about: "Time between two heartbeats, ± 20 %",
    form: "seconds, 1 to 3600",
    schema: seconds,
  },
];
