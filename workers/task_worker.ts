/**
 * Owns the program of a worker: it puts the parts together and connects them with the thread that started it.
 * Must not know the runtime but through runtime/worker_host.ts.
 * Invariant: whatever a task prints, throws or calls, the lane hears of it.
 */
import { expose } from "comlink";
import { hasOwn, monotonic } from "../src/base/primordials.ts";
import { Hand } from "../src/pool/board/hand.ts";
import { Sheet } from "../src/pool/board/sheet.ts";
import { InboxReader } from "../src/pool/ring/inbox.ts";
import { OutboxWriter, RecordKind } from "../src/pool/ring/outbox.ts";
import { BELL, type Control, endpointOf, type WorkerCalls, type WorkerData } from "../src/pool/protocol.ts";
import { clockReading } from "../src/pool/worker_clock.ts";
import { Unfinished } from "../src/pool/unfinished.ts";
import * as host from "../src/runtime/worker_host.ts";
import { eventsClient, storeClient } from "../src/store/client.ts";
import type { Attempt } from "./attempt.ts";
import type { ContextParts } from "./context.ts";
import { uncaughtText } from "./errors.ts";
import { filesClient } from "./files.ts";
import { flagsClient } from "./flags.ts";
import { Line } from "./line.ts";
import { Locals } from "./locals.ts";
import { describe, exportsOf, Modules } from "./modules.ts";
import { type Author, consoleTarget, NOBODY, Printer } from "./output.ts";
import { provideOutrider } from "./provided.ts";
import { Remote } from "./remote.ts";
import { SheetTold, TextTold } from "./told.ts";

/** Some 10 to 30 µs. */
const LOOKS = 1_000;

const data = host.startData as WorkerData;
const outbox = new OutboxWriter(data.cells, data.outbox, () => host.post(BELL));
const output = new Printer({ outbox, unfinished: new Unfinished(data.unfinished), now: monotonic });
const modules = new Modules();
const locals = new Locals();
const { endpoint, receive } = endpointOf((message, transfer) => host.post(message, transfer));
const remote = new Remote(host.post);
const lane = remote.services;
let run = "";
let sheet: Sheet;

const around: ContextParts = {
  get run() {
    return run;
  },
  store: (attempt) => storeClient(lane, signalOf(attempt)),
  events: (attempt) =>
    eventsClient(
      lane,
      { task: attempt.task, iteration: attempt.iteration, attempt: attempt.attempt },
      signalOf(attempt),
    ),
  flags: (attempt) => flagsClient(lane, signalOf(attempt)),
  files: (attempt) => filesClient(lane, attempt.key, signalOf(attempt)),
  previous: () => lane.previous(),
  log: (attempt, { level, args }) =>
    output.lines(attempt, { stream: "log", level, text: host.formatted(args) }),
  progress,
  local: (task) => locals.get(task),
};

const inbox = new InboxReader(data.inbox);
const line = new Line({
  inbox,
  hand: new Hand(data.board, { seat: data.seat, own: inbox }),
  outbox,
  output,
  modules,
  locals,
  around,
  told: (claimed, payload) => payload === "" ? new SheetTold(sheet, claimed) : new TextTold(payload),
  value: (task, iteration) => lane.value(task, iteration),
  halt: data.halt,
  looks: LOOKS,
  now: monotonic,
  isPromise: host.isPromise,
  nextTurn: host.nextTurn,
  clearChildren: host.clearChildren,
});

host.install({
  written: (stream, text) => output.piece(author(), { stream, text }),
  logged: (method, text) => output.lines(author(), { ...consoleTarget(method), text }),
  uncaught,
  exiting(code) {
    output.flush(author());
    outbox.write(RecordKind.exit, { a: code, b: 0, c: 0, x: 0, y: 0, text: undefined });
    outbox.ring();
  },
  exhausted() {
    output.flush(author());
    outbox.write(RecordKind.exhausted, { a: 0, b: 0, c: 0, x: 0, y: 0, text: undefined });
    outbox.ring();
  },
});

/** The signal of what waits in the attempt's name, made when something waits. */
function signalOf(attempt: Attempt): { readonly signal: AbortSignal } {
  return {
    get signal() {
      return attempt.life;
    },
  };
}

/** The attempt that the present code belongs to; where the runtime can't tell, the one that runs or ran last. */
function author(): Author {
  return host.scope.owner() as Attempt | undefined ?? line.current ?? line.last ?? NOBODY;
}

function progress(attempt: Attempt, fraction: number, text: string | undefined): void {
  outbox.write(RecordKind.progress, { a: attempt.claimed.seq, b: 0, c: 0, x: fraction, y: 0, text });
  outbox.ring();
}

/**
 * An exception that nothing caught fails the attempt whose code threw it, as long as it runs. After its end, or where it
 * can't be told whose it is, it is logged: it is nobody's outcome.
 */
function uncaught(error: unknown, scope: unknown, from: "exception" | "rejection"): void {
  const owner = scope as Attempt | undefined ?? (from === "exception" ? line.current : undefined);
  if (owner !== undefined && !owner.ended) return line.fail(owner, error);
  const text = uncaughtText(error, owner !== undefined);
  output.lines(owner ?? author(), { stream: "stderr", level: "error", text });
}

const calls: WorkerCalls = {
  setup(setup) {
    run = setup.run;
    modules.setup(setup.sources);
    sheet = new Sheet(setup.sheet);
    // Not before: what hangs on the board is there for whoever comes.
    line.wake();
  },
  describe,
  exportsOf,
};

function hear(message: unknown): void {
  if (typeof message === "number") line.wake();
  else if (hasOwn(message as object, "do")) line.obey(message as Control);
  else if (!remote.receive(message as object)) receive(message);
}

provideOutrider(host.provide);
await host.locked;
const { origin, reads } = clockReading();
outbox.write(RecordKind.clock, { a: 0, b: 0, c: 0, x: origin, y: reads, text: undefined });
expose(calls, endpoint);
host.onMessage(hear);
outbox.ring();
