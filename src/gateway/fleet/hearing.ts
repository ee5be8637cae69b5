/**
 * Owns how a fleet's gateway comes to have what users see: records, heartbeats and assignments, read from the servers into
 * its own store, in the order in which they lie there.
 * Must not know who asks for it.
 * Invariant: how far the records were read is kept with them, all at once: after any end, none is missing and none counts
 * twice. Each gateway reads for itself, so that any may end without another.
 */
import * as v from "valibot";
import type { Clock } from "../../base/clock.ts";
import { sleep } from "../../base/wait.ts";
import {
  type JetStream,
  packedValue,
  type Stored,
  unpackedMessage,
  unpackedValue,
} from "../../fleet/jetstream.ts";
import { streamInfo } from "../../fleet/streams.ts";
import { ANY, FLEET_STREAMS, idOf, SUBJECTS } from "../../fleet/words.ts";
import { Heartbeat, RecordBatch } from "../../protocol/messages.ts";
import { GROUP } from "../../protocol/words.ts";
import type { UplinkError } from "../../uplink/errors.ts";
import type { Bells } from "../bells.ts";
import { heardHeartbeat } from "../executor_routes.ts";
import { executorName, type Heard, runName } from "../heard.ts";
import { passedOver, runToldOf } from "../dropped.ts";
import { ingest } from "../ingest.ts";
import { linked } from "../queue.ts";
import type { GatewayStore, Within } from "../store.ts";

const LIMITS = { timeoutMs: 30_000 } as const;
/** Pause between two looks at streams that have nothing new, milliseconds. */
const LOOK_MS = 100;
/** Bytes that messages come to, unpacked, which are held at once; one alone may be larger. */
const HELD_BYTES: number = 16 * 1024 * 1024;
/** Pause after a failure, milliseconds. */
const FAILED_MS = 2_000;
/** Why a hole in a run's records stays: they lie in the stream in their order. */
const LOST =
  "Lost on the fleet's servers: this gateway found none that it could read; they were older than their stream keeps, or it was emptied";

/** What a hearing is made of. */
export interface HearingParts {
  readonly jetstream: JetStream;
  readonly store: GatewayStore;
  readonly clock: Clock;
  readonly bells: Bells;
  readonly heard: Heard;
  /** Whether the store has room for nothing more. */
  readonly isFull: () => boolean;
  /** The servers are not in reach, or are again. */
  readonly onTrouble: (error: UplinkError | undefined) => void;
}

const Assigned = v.union([
  v.looseObject({ withdrawn: v.string(), because: v.optional(v.string()) }),
  v.looseObject({ hash: v.string(), chunks: v.number(), pipeline: v.optional(v.string()) }),
]);

/** The id of a hand-out: every gateway of the fleet gives it the same, and so does the executor's tag. */
export function handoutId({ seq, at }: { readonly seq: number; readonly at?: number }): string {
  return `q-${seq}x${at ?? ""}`;
}

/** The tag by which an executor knows a hand-out. */
export function tagOfHandout(id: string): string {
  return id.slice(2).replace("x", "@");
}

/** Reads the streams of a fleet, from where it stopped on. */
export class Hearing {
  readonly #parts: HearingParts;
  readonly #abort = new AbortController();
  /** Sequence of the last heartbeat and assignment that were read in this life. */
  readonly #read = { heartbeats: 0, assignments: 0 };
  #assigning: Promise<void> = Promise.resolve();
  #ended: Promise<void> = Promise.resolve();

  constructor(parts: HearingParts) {
    this.#parts = parts;
  }

  /** Reads all that there is, then goes on. @throws {UplinkError} If the servers are not in reach. */
  async start(): Promise<void> {
    await this.#look();
    this.#ended = this.#goOn();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }

  /** Reads the assignments that are new. */
  assignments(): Promise<void> {
    this.#assigning = this.#assigning.catch(() => {}).then(() => this.#assignments());
    return this.#assigning;
  }

  async #goOn(): Promise<void> {
    const { clock, onTrouble } = this.#parts;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#look();
        onTrouble(undefined);
        await sleep(clock, LOOK_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        onTrouble(error as UplinkError);
        await sleep(clock, FAILED_MS, signal);
      }
    }
  }

  async #look(): Promise<void> {
    await this.assignments();
    await this.#heartbeats();
    await this.#records();
  }

  async #records(): Promise<void> {
    const { jetstream, store } = this.#parts;
    const { signal } = this.#abort;
    const created = (await streamInfo(jetstream, FLEET_STREAMS.records, LIMITS))?.created ?? "";
    const known = await store.projected();
    // Another stream of that name begins to count anew.
    const from = known?.stream === created ? known.seq + 1 : 1;
    const limits = { ...LIMITS, subject: SUBJECTS.records(ANY, ANY, ANY), from, signal };
    if (this.#parts.isFull()) return;
    for await (const page of jetstream.pages(FLEET_STREAMS.records, limits)) {
      for await (const part of read(page, RecordBatch)) {
        const changed = await store.atomically(async (store) => {
          const runs: string[] = [];
          for (const { stored, said } of part) {
            if (said !== undefined && await this.#take(store, stored, said)) runs.push(said.run);
          }
          await store.putProjected({ stream: created, seq: part.at(-1)!.stored.seq });
          return new Set(runs);
        });
        for (const run of changed) this.#parts.bells.ring(`run:${run}`);
      }
      await this.#tellRead(page.at(-1)!.seq);
      // What is not read stays on the servers.
      if (this.#parts.isFull()) return;
    }
  }

  /** For `outrider fleet status`: how far this gateway is. */
  async #tellRead(read: number): Promise<void> {
    const { jetstream, store } = this.#parts;
    await jetstream.store(SUBJECTS.read(store.id), await packedValue({ read }), LIMITS);
  }

  async #take(store: Within, { subject, at }: Stored, batch: RecordBatch): Promise<boolean> {
    const { heard } = this.#parts;
    const executor = idOf(subject.split(".")[2] ?? "");
    const before = await runToldOf(store, batch.run, { executor, now: at });
    if (before === undefined) {
      await passedOver(store, batch);
      return false;
    }
    // Two devices may give a run one id; the first has it.
    if (before.executor !== executor) return false;
    heard.hear(runName(batch.run));
    heard.hear(executorName(executor));
    const { row, ingested, changed } = ingest(before, { batch, now: at, lost: LOST });
    await store.ingest(await linked(store, row, batch.handout), ingested);
    return changed;
  }

  async #heartbeats(): Promise<void> {
    const { jetstream, store, heard } = this.#parts;
    const from = this.#read.heartbeats + 1;
    const limits = { ...LIMITS, subject: SUBJECTS.heartbeat(ANY), from, signal: this.#abort.signal };
    for await (const page of jetstream.pages(FLEET_STREAMS.heartbeats, limits)) {
      for await (const part of read(page, Heartbeat)) {
        await store.atomically(async (store) => {
          for (const { stored: { subject, at }, said } of part) {
            if (said === undefined) continue;
            const executor = idOf(subject.split(".")[2] ?? "");
            await heardHeartbeat(executor, said, { store, heard, now: at });
          }
        }, { durably: false });
      }
      this.#read.heartbeats = page.at(-1)!.seq;
    }
    await this.#anew("heartbeats", FLEET_STREAMS.heartbeats);
  }

  async #assignments(): Promise<void> {
    const { jetstream, store } = this.#parts;
    const from = this.#read.assignments + 1;
    const limits = { ...LIMITS, subject: "o.assign.>", from, signal: this.#abort.signal };
    for await (const page of jetstream.pages(FLEET_STREAMS.assignments, limits)) {
      for (const stored of page) {
        const read = v.safeParse(Assigned, await unpackedValue(stored.data));
        if (read.success) await store.atomically((store) => assign(store, stored, read.output));
      }
      this.#read.assignments = page.at(-1)!.seq;
    }
    await this.#anew("assignments", FLEET_STREAMS.assignments);
  }

  /** A stream that ends before where it was read to is another one. */
  async #anew(what: "heartbeats" | "assignments", stream: string): Promise<void> {
    const info = await streamInfo(this.#parts.jetstream, stream, LIMITS);
    if (info !== undefined && info.state.last_seq < this.#read[what]) this.#read[what] = 0;
  }
}

/** A message, and what it says, if it says what is asked for. */
interface Read<T> {
  readonly stored: Stored;
  readonly said: T | undefined;
}

/** Reads messages one by one, and hands on as many at a time as may be held. */
async function* read<T>(
  page: readonly Stored[],
  schema: v.GenericSchema<unknown, T>,
): AsyncGenerator<readonly Read<T>[]> {
  let part: Read<T>[] = [];
  let held = 0;
  for (const stored of page) {
    const { value, bytes } = await unpackedMessage(stored.data);
    const said = v.safeParse(schema, value);
    part.push({ stored, said: said.success ? said.output : undefined });
    held += bytes;
    if (held < HELD_BYTES) continue;
    yield part;
    part = [];
    held = 0;
  }
  if (part.length > 0) yield part;
}

/** Notes what an executor or a group was handed; what it had before and has not begun is replaced. */
async function assign(
  store: Within,
  { subject, seq, at }: Stored,
  assigned: v.InferOutput<typeof Assigned>,
): Promise<void> {
  const [, , kind, name = ""] = subject.split(".");
  const target = kind === "g" ? `${GROUP}${idOf(name)}` : idOf(name);
  const id = handoutId({ seq, at });
  if (await store.handout(id) !== undefined) return;
  const isWithdrawn = "withdrawn" in assigned;
  for (const row of await store.openHandouts([target])) {
    const meant = isWithdrawn && row.id === assigned["withdrawn"];
    const began = target === row.target && (await store.delivery(target, row.version))?.run !== undefined;
    if (!meant && (isWithdrawn || began)) continue;
    const because = meant ? String(assigned["because"] ?? "") : undefined;
    await store.endHandout(row.version, { how: meant ? "withdrawn" : "replaced", at, because });
  }
  if (isWithdrawn) return;
  const pipeline = assigned["pipeline"] as string | undefined;
  await store.addHandout({ id, target, hash: String(assigned["hash"]), pipeline, at, bytes: undefined });
}
