/**
 * Owns the program of a process that runs functions of modules: it speaks with its executor as docs/process-protocol.md says.
 * Must not know the runtime but through runtime/process_host.ts.
 * Invariant: one attempt at a time; what it has printed is told before its end, and its end once.
 */
import {
  decodeUtf8,
  encodeText,
  hasOwn,
  monotonic,
  parse,
  PlainPromise,
  then,
} from "../src/base/primordials.ts";
import { systemClock } from "../src/base/clock.ts";
import type { FunctionSource } from "../src/pipeline/kinds/kind.ts";
import { encode, jsonOf } from "../src/model/value.ts";
import { frameOf, FrameReader } from "../src/pool/process/frames.ts";
import type { AbortOutcome, Payload } from "../src/pool/protocol.ts";
import * as host from "../src/runtime/process_host.ts";
import { eventsClient, storeClient } from "../src/store/client.ts";
import { Asks, type AttemptCalls, type Reply } from "./asks.ts";
import { Attempt } from "./attempt.ts";
import { Context, type ContextParts } from "./context.ts";
import { errorText, uncaughtText } from "./errors.ts";
import { filesClient } from "./files.ts";
import { flagsClient } from "./flags.ts";
import { type AnyTask, Modules } from "./modules.ts";
import { consoleTarget } from "./output.ts";
import { provideOutrider } from "./provided.ts";
import { TextTold } from "./told.ts";

const PROTOCOL = 1;
const MARK_DIGITS = 32;
/** How long the line may take to say why an attempt is to end, milliseconds. */
const UNSAID_MS = 50;
/** Said where a task ends and its processes do not. */
const LEFT = "It ended and left processes behind: they are stopped";

/** What the executor says. */
type Order =
  | { readonly t: "setup"; readonly run: string; readonly runner: string; readonly module?: string }
  | Run
  | Reply & { readonly t: "reply" }
  | { readonly t: "abort"; readonly seq: number; readonly outcome: AbortOutcome }
  | { readonly t: "end" };

interface Run {
  readonly t: "run";
  readonly seq: number;
  readonly iteration: number;
  readonly attempt: number;
  /** The function. Without a module, the one of the setup. */
  readonly work: FunctionSource;
  readonly given: Payload;
}

const modules = new Modules();
const asks = new Asks(say);
let run = "";
let module = "";
let current: Attempt | undefined;
let last: Attempt | undefined;

const around: ContextParts = {
  get run() {
    return run;
  },
  store: (attempt) => storeClient(of(attempt), signalOf(attempt)),
  events: (attempt) => {
    const { task, iteration, attempt: number } = attempt;
    return eventsClient(of(attempt), { task, iteration, attempt: number }, signalOf(attempt));
  },
  flags: (attempt) => flagsClient(of(attempt), signalOf(attempt)),
  files: (attempt) => filesClient(of(attempt), attempt.key, { signal: attempt.life, whole: host.wholePath }),
  previous: (attempt) => of(attempt).previous(),
  log: (attempt, { level, args }) => print(attempt, { stream: "log", level, text: host.formatted(args) }),
  progress: ({ seq }, fraction, text) => say({ t: "progress", seq, fraction, text }),
  local: () => undefined,
};

host.install({
  written: (stream, text) => say({ t: "out", seq: author()?.seq ?? 0, stream, text }),
  logged: (method, text) => print(author(), { ...consoleTarget(method), text }),
  uncaught,
  exiting() {},
});
host.onTerminate(() => {
  const attempt = current;
  // The line says why; where it does not, it is another who wants it to end.
  systemClock.after(UNSAID_MS, () => attempt?.abort("cancelled"));
});
provideOutrider(host.provide);
const reader = new FrameReader((body) => obey(parse(decodeUtf8(body)) as Order, body), Infinity);
host.openLine((bytes) => void reader.push(bytes));

function say(message: object): void {
  host.send(frameOf(jsonOf(message)));
}

function of(attempt: Attempt): AttemptCalls {
  return asks.of(attempt.seq);
}

/** The signal of what waits in the attempt's name, made when something waits. */
function signalOf(attempt: Attempt): { readonly signal: AbortSignal } {
  return {
    get signal() {
      return attempt.life;
    },
  };
}

/** The attempt that the present code belongs to; where the runtime can't tell, the one that runs or ran last. */
function author(): Attempt | undefined {
  return host.scope.owner() as Attempt | undefined ?? current ?? last;
}

/** Tells of each line of a text. */
function print(
  attempt: Attempt | undefined,
  { stream, level, text }: { readonly stream: string; readonly level: string; readonly text: string },
): void {
  say({ t: "log", seq: attempt?.seq ?? 0, level, stream, text });
}

/** As on a worker: it fails the attempt whose code threw it as long as that runs; else it is logged. */
function uncaught(error: unknown, scope: unknown, from: "exception" | "rejection"): void {
  const owner = scope as Attempt | undefined ?? (from === "exception" ? current : undefined);
  if (owner !== undefined && !owner.ended) return tell(owner, { ...failed(owner, error), spent: true });
  print(owner ?? author(), {
    stream: "stderr",
    level: "error",
    text: uncaughtText(error, owner !== undefined),
  });
}

function obey(order: Order, body: Uint8Array): void {
  switch (order.t) {
    case "setup":
      run = order.run;
      module = order.module ?? "";
      host.holdDescriptors();
      return say({ t: "ready", protocol: PROTOCOL, runner: order.runner });
    case "run":
      return begin(order, body);
    case "reply":
      return asks.receive(order);
    case "abort":
      return current?.seq === order.seq ? current.abort(order.outcome) : undefined;
    case "end":
      return host.end();
  }
}

function begin({ seq, iteration, attempt: number, work, given }: Run, body: Uint8Array): void {
  const offer = {
    task: -1,
    iteration,
    attempt: number,
    flags: 0,
    timeoutMs: 0,
    payload: undefined,
    locals: 0,
  };
  const attempt = new Attempt({ ...offer, seq }, new TextTold(decodeUtf8(body), given), monotonic());
  current = attempt;
  host.putRight();
  host.send(frameOf(`{"t":"began","seq":${seq}}`));
  const place = modules.placeOf(
    hasOwn(work, "module") ? work : { ...work as object, module } as FunctionSource,
  );
  const task = modules.ready(place, attempt);
  if (task !== undefined) return call(attempt, task);
  then(
    host.scope.run(attempt, () => modules.prepare(place, attempt.task), undefined),
    () => call(attempt, modules.ready(place, attempt)!),
    (error) => fail(attempt, error),
  );
}

function call(attempt: Attempt, task: AnyTask): void {
  let value: unknown;
  try {
    value = host.scope.run(attempt, task, new Context(attempt, around));
    // A thenable may throw, or settle twice; a promise of our own makes one honest answer of it.
    if (!host.isPromise(value) && isThenable(value)) value = host.scope.run(attempt, toPromise, value);
    if (host.isPromise(value)) {
      return then(value, (result) => succeed(attempt, result), (error) => fail(attempt, error));
    }
  } catch (error) {
    return fail(attempt, error);
  }
  succeed(attempt, value);
}

function succeed(attempt: Attempt, value: unknown): void {
  // Its code has caught what was thrown to end it.
  if (attempt.skipped !== undefined) return fail(attempt, attempt.skipped.thrown);
  let text: string | undefined;
  try {
    text = encode(value, attempt.task);
  } catch (error) {
    return fail(attempt, error);
  }
  tell(attempt, { value: text });
}

function fail(attempt: Attempt, error: unknown): void {
  tell(attempt, failed(attempt, error));
}

function failed(attempt: Attempt, error: unknown): Ending {
  const because = attempt.skipBy(error);
  return because === undefined ? { error: errorText(error) } : { skipped: because };
}

/** How an attempt has ended: JSON texts. */
interface Ending {
  readonly value?: string | undefined;
  readonly error?: string;
  /** Why it skipped itself: a text. */
  readonly skipped?: string;
  /** The process is to run nothing more. */
  readonly spent?: boolean;
}

function tell(attempt: Attempt, ending: Ending): void {
  // Whoever told of it first goes on.
  if (attempt !== current || attempt.ended) return;
  attempt.end();
  const clearing = host.clearChildren();
  if (clearing === undefined) return end(attempt, ending);
  then(
    clearing,
    (some) => {
      if (some && attempt.aborted === undefined) print(attempt, { stream: "log", level: "warn", text: LEFT });
      end(attempt, ending);
    },
    () => end(attempt, ending),
  );
}

function end({ seq, aborted }: Attempt, { value, error, skipped, spent }: Ending): void {
  last = current;
  current = undefined;
  const mark = host.drawDigits(MARK_DIGITS);
  host.writeToBoth(encodeText(`\0outrider:${mark}\n`));
  // Whoever reads is woken by the marks, and waits for the rest.
  host.checkDescriptors();
  // Written by hand, as the error is JSON text already.
  const cancelled = aborted && (error ?? skipped) !== undefined;
  const told = jsonOf({ t: "done", seq, mark, value, skipped, spent, cancelled });
  host.send(frameOf(error === undefined ? told : `${told.slice(0, -1)},"error":${error}}`));
}

function toPromise(value: PromiseLike<unknown>): Promise<unknown> {
  return new PlainPromise((resolve) => resolve(value));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
