/**
 * Owns the schema of the agent's environment variables: form, range, default, and the words of docs/configuration.md.
 * Must not know where values come from, nor what they are used for.
 * Invariant: a variable that is not in here is not read.
 */
import {
  HEARTBEAT_MS,
  HOSTNAME,
  inMebibytes,
  inSeconds,
  KILL_GRACE_MS,
  LOG_BYTES,
  LOG_LEVEL,
  MAX_WORKERS,
  STOP_GRACE_MS,
} from "../defaults.ts";
import * as v from "valibot";
import { type Level, LEVELS } from "../model/record.ts";
import { durationProblem, parseDuration } from "../model/duration.ts";
import { isHostName, isOperatorToken, isPlace, namesOf, TOKEN_FORM } from "./serving.ts";
import { Id } from "../protocol/words.ts";

/** What is done when the gateway has been out of reach for too long. */
export type KeepAliveAction = "finish" | "stop" | "cancel";

/** Pipeline that is taken if it is there and no other is named. */
export const DEFAULT_PIPELINE = "./outrider.pipeline.json";

/** What the table says of a variable. */
export interface About {
  readonly about: string;
  /** Form and range. */
  readonly form: string;
  /** In words; `undefined`: none. */
  readonly fallback?: string;
  readonly secret?: boolean;
}

const text = v.string();
const id = v.pipe(
  text,
  v.check((value) => v.is(Id, value), "Write 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -"),
);
const ids = v.pipe(
  text,
  v.transform((value) => value.split(",").map((each) => each.trim()).filter((each) => each !== "")),
  v.check(
    (list) => list.every((each) => v.is(Id, each)),
    "Write names out of A-Z a-z 0-9 _ . : @ -, with commas between",
  ),
  v.maxLength(16, "Name at most 16 groups"),
);
const address = v.pipe(
  text,
  v.check((value) => /^https?:$/.test(URL.parse(value)?.protocol ?? ""), "Write it as https://HOST:PORT"),
);
const level = v.picklist(
  LEVELS,
  "Write debug, info, warn, error or critical",
);
const quiet = v.pipe(
  v.picklist(["until-done", "no"], "Write until-done or no"),
  v.transform((value) => value === "until-done"),
);
const keepAlive = v.pipe(
  text,
  v.check(
    (value) => value === "forever" || keepAliveParts(value) !== undefined,
    "Write forever, or a duration and what to do then: 30m finish, 30m stop or 30m cancel",
  ),
  v.transform((value) => keepAliveParts(value) ?? { ms: Infinity, then: "finish" as const }),
);

function keepAliveParts(value: string): { ms: number; then: KeepAliveAction } | undefined {
  const match = /^(\S+)(?:\s+(finish|stop|cancel))?$/.exec(value);
  if (match === null || durationProblem(match[1]) !== undefined) return undefined;
  return { ms: parseDuration(match[1]!), then: (match[2] ?? "finish") as KeepAliveAction };
}

const serve = v.pipe(
  text,
  v.check(
    (value) => value === "off" || isPlace(value),
    "Write HOST:PORT such as 127.0.0.1:8080, unix:/path/to/socket, or off",
  ),
);
const serveToken = v.pipe(text, v.check(isOperatorToken, `Write ${TOKEN_FORM}`));
const serveHosts = v.pipe(
  text,
  v.transform(namesOf),
  v.check(
    (names) => names.every(isHostName),
    "Write names of hosts such as device.example, without ports, with commas between",
  ),
);
const secretNames = v.pipe(
  text,
  v.transform(namesOf),
  v.check(
    (names) => names.every((name) => !/[\s=]/.test(name)),
    "Write names of environment variables, not their values, with commas between",
  ),
);

function whole(least: number, most: number) {
  return v.pipe(
    text,
    v.check(
      (value) => /^\d+$/.test(value) && +value >= least && +value <= most,
      `Write a whole number from ${least} to ${most}`,
    ),
    v.transform(Number),
  );
}

function duration(least: string, most: string) {
  const within = (value: string) =>
    durationProblem(value) === undefined && parseDuration(value) >= parseDuration(least) &&
    parseDuration(value) <= parseDuration(most);
  return v.pipe(
    text,
    v.check(within, `Write a duration from ${least} to ${most}, with its unit, such as 30s`),
    v.transform((value: string) => parseDuration(value)),
  );
}

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const bytes = v.pipe(
  text,
  v.check((value) => {
    const size = bytesOf(value);
    return size >= 65_536 && size <= 1024 ** 4;
  }, "Write a number of bytes from 64KiB to 1024GiB, such as 64MiB"),
  v.transform(bytesOf),
);

function bytesOf(value: string): number {
  const match = /^(\d+)\s*([KMG]iB)?$/.exec(value);
  return match === null ? NaN : Number(match[1]) * UNITS[match[2] ?? ""]!;
}

function variable<S extends v.GenericSchema>(schema: S, about: About) {
  return v.pipe(v.optional(schema), v.metadata({ ...about }));
}

/** Every variable that the agent reads. */
const VARIABLES = v.object({
  OUTRIDER_GATEWAY: variable(address, {
    about: "Address of the gateway. Without one, the pipeline has to be a file",
    form: "URL",
  }),
  OUTRIDER_EXECUTOR_ID: variable(id, { about: "Who this executor is; needed with a gateway", form: "id" }),
  OUTRIDER_EXPERIMENT_ID: variable(id, { about: "The experiment whose flags it shares", form: "id" }),
  OUTRIDER_GROUPS: variable(ids, {
    about: "Groups it is in; a pipeline for one of them is for it too",
    form: "ids, with commas between",
  }),
  OUTRIDER_TOKEN: variable(text, { about: "Token for the gateway", form: "text", secret: true }),
  OUTRIDER_TOKEN_FILE: variable(text, {
    about:
      "File with the token, instead of OUTRIDER_TOKEN: then no list of processes and no task's environment has it. Read again when the gateway refuses the token (401), so it may be replaced",
    form: "path",
  }),
  OUTRIDER_PIPELINE: variable(text, {
    about: "The pipeline: a bundle, a `.json` file or a module",
    form: "path",
    fallback: `${DEFAULT_PIPELINE} if it is there, else from the gateway`,
  }),
  OUTRIDER_STATE_DIR: variable(text, {
    about: "Folder for the journal: what survives a restart",
    form: "path",
    fallback: "none: kept in memory",
  }),
  OUTRIDER_HEARTBEAT: variable(duration("1s", "1h"), {
    about: "Time between two heartbeats, ± 20 %",
    form: "duration",
    fallback: inSeconds(HEARTBEAT_MS),
  }),
  OUTRIDER_KEEP_ALIVE: variable(keepAlive, {
    about:
      "What to do when the gateway has been out of reach for so long: `finish` the run and end, `stop` it as SIGTERM does, or `cancel` it",
    form: "`forever`, or duration and action",
    fallback: "forever",
  }),
  OUTRIDER_SPOOL_BYTES: variable(bytes, {
    about: "Most log that is kept for the gateway; the oldest goes first, results never",
    form: "bytes, `KiB`, `MiB`, `GiB`",
    fallback: inMebibytes(LOG_BYTES),
  }),
  OUTRIDER_QUIET: variable(quiet, {
    about: "`until-done`: nothing is sent while a run goes on, but for one heartbeat that says so",
    form: "`until-done` or `no`",
    fallback: "no",
  }),
  OUTRIDER_LOG_LEVEL: variable(level, {
    about: "Least level of log records that are kept, sent and shown",
    form: "`debug` `info` `warn` `error` `critical`",
    fallback: LOG_LEVEL,
  }),
  OUTRIDER_WORKERS: variable(whole(1, 1024), {
    about: "Workers at the start",
    form: "1 to 1024",
    fallback: "the number of cores",
  }),
  OUTRIDER_MAX_WORKERS: variable(whole(1, 1024), {
    about: "Workers at the most",
    form: "1 to 1024",
    fallback: `${MAX_WORKERS}`,
  }),
  OUTRIDER_WORKER_MEMORY: variable(whole(8, 1_048_576), {
    about: "Heap cap for one worker, where the runtime enforces one",
    form: "MiB, 8 to 1048576",
    fallback: "the runtime's own",
  }),
  OUTRIDER_STOP_GRACE: variable(duration("0s", "24h"), {
    about: "What running tasks, and then the report, get to end after a first SIGTERM",
    form: "duration",
    fallback: inSeconds(STOP_GRACE_MS),
  }),
  OUTRIDER_KILL_GRACE: variable(duration("0s", "1h"), {
    about: "What a task gets between being told to stop and being terminated",
    form: "duration",
    fallback: inSeconds(KILL_GRACE_MS),
  }),
  OUTRIDER_SERVE: variable(serve, {
    about: "Where the agent answers: status, store, events, log, metrics, a page ([http.md](http.md))",
    form: "`HOST:PORT`, `unix:PATH` or `off`",
    fallback: `any free port of ${HOSTNAME}`,
  }),
  OUTRIDER_SERVE_TOKEN: variable(serveToken, {
    about: "Token that lets in beside each run's own; needed for an address that others can reach",
    form: "16 to 512 characters",
    secret: true,
  }),
  OUTRIDER_SERVE_HOSTS: variable(serveHosts, {
    about: "Names under which it may be asked, beside those of this machine",
    form: "names, with commas between",
  }),
  OUTRIDER_SECRETS: variable(secretNames, {
    about:
      "Variables whose values never appear in what is shown, logged or sent; those of OUTRIDER_TOKEN and OUTRIDER_SERVE_TOKEN never do",
    form: "names, with commas between",
  }),
});

/** The values that are set, read. Durations in milliseconds, sizes in bytes. */
export interface VariableValues {
  readonly OUTRIDER_GATEWAY?: string | undefined;
  readonly OUTRIDER_EXECUTOR_ID?: string | undefined;
  readonly OUTRIDER_EXPERIMENT_ID?: string | undefined;
  readonly OUTRIDER_GROUPS?: readonly string[] | undefined;
  readonly OUTRIDER_TOKEN?: string | undefined;
  readonly OUTRIDER_TOKEN_FILE?: string | undefined;
  readonly OUTRIDER_PIPELINE?: string | undefined;
  readonly OUTRIDER_STATE_DIR?: string | undefined;
  readonly OUTRIDER_HEARTBEAT?: number | undefined;
  readonly OUTRIDER_KEEP_ALIVE?: { readonly ms: number; readonly then: KeepAliveAction } | undefined;
  readonly OUTRIDER_SPOOL_BYTES?: number | undefined;
  readonly OUTRIDER_QUIET?: boolean | undefined;
  readonly OUTRIDER_LOG_LEVEL?: Level | undefined;
  readonly OUTRIDER_WORKERS?: number | undefined;
  readonly OUTRIDER_MAX_WORKERS?: number | undefined;
  readonly OUTRIDER_WORKER_MEMORY?: number | undefined;
  readonly OUTRIDER_STOP_GRACE?: number | undefined;
  readonly OUTRIDER_KILL_GRACE?: number | undefined;
  readonly OUTRIDER_SERVE?: string | undefined;
  readonly OUTRIDER_SERVE_TOKEN?: string | undefined;
  readonly OUTRIDER_SERVE_HOSTS?: readonly string[] | undefined;
  readonly OUTRIDER_SECRETS?: readonly string[] | undefined;
}

/** Name of a variable. */
export type VariableName = keyof VariableValues;

/** What is wrong with a variable. */
export interface VariableProblem {
  readonly name: VariableName;
  readonly message: string;
}

/** Names of all variables, in the order of the table. */
export function variableNames(): readonly VariableName[] {
  return Object.keys(VARIABLES.entries) as VariableName[];
}

/** What the table says of a variable. */
export function aboutVariable(name: VariableName): About {
  return v.getMetadata(VARIABLES.entries[name]) as unknown as About;
}

/** Reads the texts of the variables that are set. */
export function readVariables(
  texts: Readonly<Record<string, string>>,
): { readonly values?: VariableValues; readonly problems: readonly VariableProblem[] } {
  const { success, output, issues = [] } = v.safeParse(VARIABLES, texts);
  const problems = issues.map((issue) => ({
    name: v.getDotPath(issue) as VariableName,
    message: issue.message,
  }));
  return success ? { values: output, problems } : { problems };
}
