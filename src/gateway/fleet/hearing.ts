/**
 * Owns how a fleet's gateway comes to have what users see: records, heartbeats and assignments, read from the servers into
 * its own store, in the order in which they lie there.
 * Must not know who asks for it.
 * Invariant: how far records and assignments were read is kept with what came of them, all at once: after any end, none is
 * missing and none counts twice. Each gateway reads for itself, so that any may end without another.
 */
import * as v from "valibot";
import type { Clock } from "../../base/clock.ts";
import { sleep } from "../../base/wait.ts";
import {
  type JetStream,
  packedValue,
  type Stored,
  unpackedLength,
  unpackedValue,
} from "../../fleet/jetstream.ts";
import { streamInfo } from "../../fleet/streams.ts";
import { ANY, FLEET_STREAMS, idOf, idOfAssignment, SUBJECTS } from "../../fleet/words.ts";
import { Heartbeat, RecordBatch } from "../../protocol/messages.ts";
import { GROUP } from "../../protocol/words.ts";
import { UplinkError } from "../../uplink/errors.ts";
import type { Bells } from "../bells.ts";
import { heardHeartbeat } from "../executor_routes.ts";
import { executorName, type Heard, runName } from "../heard.ts";
import { passedOver, runToldOf } from "../dropped.ts";
import { ingest } from "../ingest.ts";
import { linked } from "../queue.ts";
import type { GatewayStore, Projected, Within } from "../store.ts";

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
  /** Told of what is none of the servers' doing; it is tried again likewise. */
  readonly onDefect: (error: unknown) => void;
}

const Assigned = v.union([
  v.looseObject({ withdrawn: v.string(), because: v.optional(v.string()) }),
  v.looseObject({ hash: v.string(), chunks: v.number(), pipeline: v.optional(v.string()) }),
]);

/** Reads the streams of a fleet, from where it stopped on. */
export class Hearing {
  readonly #parts: HearingParts;
  readonly #abort = new AbortController();
  /** How far the heartbeats were read in this life. */
  #beats: Projected | undefined;
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
    const { clock, onTrouble, onDefect } = this.#parts;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#look();
        onTrouble(undefined);
        await sleep(clock, LOOK_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof UplinkError) onTrouble(error);
        else onDefect(error);
        await sleep(clock, FAILED_MS, signal);
      }
    }
  }

  async #look(): Promise<void> {
    await this.assignments();
    await this.#heartbeats();
    await this.#records();
  }

  /** Where a stream is to be read on; `undefined` if there is nothing that is new. */
  async #new(
    name: string,
    known: Projected | undefined,
  ): Promise<{ readonly stream: string; readonly from: number } | undefined> {
    const info = await streamInfo(this.#parts.jetstream, name, LIMITS);
    const stream = info?.created ?? "";
    // Another stream of that name begins to count anew.
    const from = known?.stream === stream ? known.seq + 1 : 1;
    return info !== undefined && info.state.last_seq < from ? undefined : { stream, from };
  }

  async #records(): Promise<void> {
    const { jetstream, store } = this.#parts;
    const { signal } = this.#abort;
    if (this.#parts.isFull()) return;
    const name = FLEET_STREAMS.records;
    const found = await this.#new(name, await store.projected(name));
    if (found === undefined) return;
    const { stream, from } = found;
    const limits = { ...LIMITS, subject: SUBJECTS.records(ANY, ANY, ANY), from, signal };
    for await (const page of jetstream.pages(name, limits)) {
      for await (const part of read(page, RecordBatch)) {
        const changed = await store.atomically(async (store) => {
          const runs: string[] = [];
          for (const { stored, said } of part) {
            if (said !== undefined && await this.#take(store, stored, said)) runs.push(said.run);
          }
          await store.putProjected(name, { stream, seq: part.at(-1)!.stored.seq });
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
    const name = FLEET_STREAMS.heartbeats;
    const found = await this.#new(name, this.#beats);
    if (found === undefined) return;
    const { stream, from } = found;
    const limits = { ...LIMITS, subject: SUBJECTS.heartbeat(ANY), from, signal: this.#abort.signal };
    for await (const page of jetstream.pages(name, limits)) {
      for await (const part of read(page, Heartbeat)) {
        await store.atomically(async (store) => {
          for (const { stored: { subject, at }, said } of part) {
            if (said === undefined) continue;
            const executor = idOf(subject.split(".")[2] ?? "");
            await heardHeartbeat(executor, said, { store, heard, now: at });
          }
        }, { durably: false });
      }
      this.#beats = { stream, seq: page.at(-1)!.seq };
    }
  }

  async #assignments(): Promise<void> {
    const { jetstream, store } = this.#parts;
    const name = FLEET_STREAMS.assignments;
    const found = await this.#new(name, await store.projected(name));
    if (found === undefined) return;
    const { stream, from } = found;
    const limits = { ...LIMITS, subject: SUBJECTS.everyAssignment, from, signal: this.#abort.signal };
    for await (const page of jetstream.pages(name, limits)) {
      for (const stored of page) {
        const read = v.safeParse(Assigned, await unpackedValue(stored.data));
        await store.atomically(async (store) => {
          if (read.success) await assign(store, stored, read.output);
          await store.putProjected(name, { stream, seq: stored.seq });
        });
      }
    }
  }
}

/** A message, and what it says, if it says what is asked for. */
interface Read<T> {
  readonly stored: Stored;
  readonly said: T | undefined;
}

/** Reads messages, as many at a time as may be held, and hands them on. */
async function* read<T>(
  page: readonly Stored[],
  schema: v.GenericSchema<unknown, T>,
): AsyncGenerator<readonly Read<T>[]> {
  for (let from = 0, to = 0; from < page.length; from = to) {
    let held = unpackedLength(page[to++]!.data);
    while (to < page.length && (held += unpackedLength(page[to]!.data)) < HELD_BYTES) to++;
    yield await Promise.all(
      page.slice(from, to).map(async (stored) => {
        const said = v.safeParse(schema, await unpackedValue(stored.data));
        return { stored, said: said.success ? said.output : undefined };
      }),
    );
  }
}

/** Notes what an executor or a group was handed; what it had before and has not begun is replaced. */
async function assign(
  store: Within,
  { subject, seq, at }: Stored,
  assigned: v.InferOutput<typeof Assigned>,
): Promise<void> {
  const [, , kind, name = ""] = subject.split(".");
  const target = kind === "g" ? `${GROUP}${idOf(name)}` : idOf(name);
  const id = idOfAssignment({ seq, at });
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
