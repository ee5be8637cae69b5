/**
 * Owns the schemas of the records that the gateway reads in what it is sent; the others are kept unread.
 * Must not know what is done with them.
 * Invariant: a record of a type that is not known here is taken, so that an older gateway serves a newer executor.
 */
import { fileNameProblem, type KeptFile, type RefusedFile, SHA256 } from "../model/file.ts";
import { type AttemptKey, AUTHORS, LEVELS, type Settled, STREAMS } from "../model/record.ts";
import * as v from "valibot";
import { CRASH_REASONS, type ErrorData, OUTCOMES, type RunState as State } from "../model/outcome.ts";
import { isJson } from "../base/json.ts";
import { Name, Stamp, StateOfRun, Text } from "../protocol/words.ts";
import { problemsIn } from "../base/web/body.ts";

type Schema<T> = v.GenericSchema<unknown, T>;

const Whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Base = { seq: Whole, at: Stamp };
/** A value is as large as a task made it; it is checked without being made. */
const Json = v.pipe(v.string(), v.check(isJson, "Must be JSON text, at most 512 deep"));
/** What a person is to read: the executor cuts it at half of this. */
const Words = Text(64 * 1024);
const Runtime = Text(128);
/** Longest name of a file that is not kept, as it may be none. */
const MAX_REFUSED_NAME = 1024;

/** The first record of a run. */
export interface RunStarted {
  readonly at: number;
  readonly pipeline: string;
  readonly runtime: string;
  readonly scheduledFor?: number;
}
const RunStarted: Schema<RunStarted> = v.looseObject({
  ...Base,
  pipeline: Name,
  runtime: Runtime,
  scheduledFor: v.exactOptional(Stamp),
});

/** The last record of a run. */
export interface RunEnded {
  readonly at: number;
  readonly state: State;
  readonly tookMs?: number;
}
const RunEnded: Schema<RunEnded> = v.looseObject({
  ...Base,
  state: StateOfRun,
  tookMs: v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(0))),
});

/** A run that goes on, perhaps with tasks that are run anew. */
export interface RunResumed {
  readonly at: number;
  readonly again?: readonly string[];
  readonly missing?: readonly string[];
}
const RunResumed: Schema<RunResumed> = v.looseObject({
  ...Base,
  again: v.exactOptional(v.array(Name)),
  missing: v.exactOptional(v.array(Name)),
});

/** How an attempt ended. */
export interface AttemptSettled extends Omit<Settled, "rerun"> {
  /** The value was too large for the way here, in words. */
  readonly valueLeftOut?: string;
}
const ErrorShape: Schema<ErrorData> = v.looseObject({
  name: Words,
  message: Words,
  code: v.exactOptional(v.union([v.string(), v.number()])),
  stack: v.exactOptional(Words),
  frames: v.exactOptional(v.array(v.object({ file: Words, line: Whole, function: Words, code: Words }))),
  notes: v.exactOptional(v.array(Words)),
  fields: v.exactOptional(v.record(v.string(), Json)),
  errors: v.exactOptional(v.array(v.lazy(() => ErrorShape))),
  cause: v.exactOptional(v.lazy(() => ErrorShape)),
  omitted: v.exactOptional(Whole),
});
const AttemptSettled: Schema<AttemptSettled> = v.looseObject({
  ...Base,
  task: Name,
  iteration: Whole,
  attempt: Whole,
  item: v.exactOptional(Whole),
  items: v.exactOptional(v.record(v.picklist(OUTCOMES), Whole)),
  outcome: v.picklist(OUTCOMES),
  value: v.exactOptional(Json),
  error: v.exactOptional(ErrorShape),
  reason: v.exactOptional(v.picklist(CRASH_REASONS)),
  code: v.exactOptional(v.pipe(v.number(), v.safeInteger())),
  because: v.exactOptional(Words),
  startedAt: v.exactOptional(Stamp),
  endedAt: v.exactOptional(Stamp),
  worker: v.exactOptional(Whole),
  valueLeftOut: v.exactOptional(v.pipe(v.string(), v.maxLength(500))),
});

/** A file that an attempt has kept. */
export type FileKept = KeptFile & AttemptKey;
const OfAttempt = { task: Name, iteration: Whole, attempt: Whole };
const FileKept: Schema<FileKept> = v.looseObject({
  ...Base,
  ...OfAttempt,
  item: v.exactOptional(Whole),
  name: v.pipe(
    v.string(),
    v.check((name) => fileNameProblem(name) === undefined, "Must be a name of a file"),
  ),
  sha256: v.pipe(v.string(), v.regex(SHA256, "Must be 64 hexadecimal digits")),
  bytes: Whole,
});

const FileRefused: Schema<RefusedFile & AttemptKey> = v.looseObject({
  ...Base,
  ...OfAttempt,
  name: Text(MAX_REFUSED_NAME),
  because: Words,
});

const AnyState: Schema<{ readonly type: string; readonly at: number }> = v.looseObject({
  ...Base,
  type: Text(64),
});

const Log: Schema<unknown> = v.looseObject({
  seq: Whole,
  at: Text(64),
  level: v.picklist(LEVELS),
  from: v.picklist(AUTHORS),
  stream: v.picklist(STREAMS),
  text: v.string(),
  task: v.exactOptional(Name),
  iteration: v.exactOptional(Whole),
  attempt: v.exactOptional(Whole),
  item: v.exactOptional(Whole),
  dropped: v.exactOptional(v.looseObject({ count: Whole, bytes: Whole })),
});

/** A state record that was read. */
export type ReadState =
  | { readonly type: "run.started"; readonly record: RunStarted }
  | { readonly type: "run.ended"; readonly record: RunEnded }
  | { readonly type: "run.resumed"; readonly record: RunResumed }
  | { readonly type: "attempt.settled"; readonly record: AttemptSettled }
  | { readonly type: "file.kept"; readonly record: FileKept }
  | { readonly type: "file.refused" }
  | { readonly type: "other" };

/** Reads a state record; a text says what is wrong with it. */
export function readState(value: unknown): ReadState | string {
  const any = v.safeParse(AnyState, value, { abortEarly: true });
  if (!any.success) return problemsIn(any.issues);
  switch (any.output.type) {
    case "run.started":
      return parsed(RunStarted, value, (record) => ({ type: "run.started", record }));
    case "run.ended":
      return parsed(RunEnded, value, (record) => ({ type: "run.ended", record }));
    case "attempt.settled":
      return parsed(AttemptSettled, value, (record) => ({ type: "attempt.settled", record }));
    case "run.resumed":
      return parsed(RunResumed, value, (record) => ({ type: "run.resumed", record }));
    case "file.kept":
      return parsed(FileKept, value, (record) => ({ type: "file.kept", record }));
    case "file.refused":
      return parsed(FileRefused, value, () => ({ type: "file.refused" }));
    default:
      return { type: "other" };
  }
}

/** What is wrong with a log record, if anything. */
export function wrongWithLog(value: unknown): string | undefined {
  const result = v.safeParse(Log, value, { abortEarly: true });
  return result.success ? undefined : problemsIn(result.issues);
}

function parsed<T>(schema: Schema<T>, value: unknown, as: (record: T) => ReadState): ReadState | string {
  const result = v.safeParse(schema, value, { abortEarly: true });
  return result.success ? as(result.output) : problemsIn(result.issues);
}
