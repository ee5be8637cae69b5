/**
 * Owns what an executor is told: instructions, in the order of their numbers, and which gateway's storage numbers them.
 * Must not know what an instruction does, nor when it is looked for.
 * Invariant: an instruction that a heartbeat of this executor told as seen is never given again, also to its next process.
 *
 * Each message of `o.cmd.…` is one instruction, numbered by its sequence. One that was put there by a gateway carries those
 * before it that still hold, so that the last message tells all: who may only read his own subject needs no more.
 */
import * as v from "valibot";
import { instructionsIn } from "../../../fleet/instructions.ts";
import { type JetStream, type Stored, unpackedValue } from "../../../fleet/jetstream.ts";
import { addressees, FLEET_STREAMS, SUBJECTS } from "../../../fleet/words.ts";
import type { AnyInstruction, Heartbeat } from "../../../protocol/messages.ts";
import { GatewayRefusedError } from "../../errors.ts";
import type { CallOptions } from "../../gateway.ts";

/** Instructions read one by one at a time. */
const MAX_READ = 100;

const Seen = v.looseObject({ seen: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) });

/** Reads what an executor was told. */
export class Instructions {
  readonly #jetstream: JetStream;
  readonly #executor: string;
  readonly #subjects: readonly string[];
  /** What an earlier process had seen; nothing as long as it was not looked up. */
  #seenBefore: number | undefined;
  /** The newest instruction that was read: its number and when it was stored. */
  #newest = { seq: 0, at: 0 };
  /** Storages so far: a stream that numbers anew is another one. */
  #storages = 1;

  constructor(
    jetstream: JetStream,
    { executor, groups }: { readonly executor: string; readonly groups: readonly string[] },
  ) {
    this.#jetstream = jetstream;
    this.#executor = executor;
    this.#subjects = addressees(executor, groups).map((whom) => SUBJECTS.instructions(whom));
  }

  /** Names the storage that the instructions are numbered by, within this process. */
  get storage(): string {
    return `o-${this.#storages}`;
  }

  /** The heartbeat as it is to be told: what an earlier process had seen is still seen. */
  async continued(heartbeat: Heartbeat, limits: CallOptions): Promise<Heartbeat> {
    this.#seenBefore ??= await this.#lastSeen(limits);
    return { ...heartbeat, seen: this.#floor(heartbeat), storage: this.storage };
  }

  /** Those with a number above what the heartbeat's sender, or an earlier process of the same executor, has seen. */
  async after(heartbeat: Heartbeat, limits: CallOptions): Promise<readonly AnyInstruction[]> {
    for (let found: readonly AnyInstruction[] = [];;) {
      const all = await Promise.all(this.#subjects.map((subject) => this.#on(subject, heartbeat, limits)));
      const now = all.flat();
      // One that was stored on a subject just after that was read may have a lower number than what was found on another.
      if (now.length === found.length) return now;
      found = now;
    }
  }

  #floor({ seen, storage = this.storage }: Heartbeat): number {
    return storage === this.storage ? Math.max(seen, this.#seenBefore ?? 0) : 0;
  }

  async #lastSeen(limits: CallOptions): Promise<number> {
    const stored = await this.#jetstream.last(
      FLEET_STREAMS.heartbeats,
      SUBJECTS.heartbeat(this.#executor),
      limits,
    );
    const read = v.safeParse(Seen, stored && await unpackedValue(stored.data));
    return read.success ? read.output.seen : 0;
  }

  async #on(subject: string, heartbeat: Heartbeat, limits: CallOptions): Promise<readonly AnyInstruction[]> {
    const last = await this.#jetstream.last(FLEET_STREAMS.instructions, subject, limits);
    if (last === undefined) return [];
    this.#notice(last);
    const floor = this.#floor(heartbeat);
    if (last.seq <= floor) return [];
    const { own, before } = await instructionsIn(last);
    const earlier = before ?? await this.#between(subject, { floor, last }, limits);
    return [...earlier, ...own].filter(({ id }) => id > floor);
  }

  /** What somebody put there who tells of none before it is read one by one, if this user may. */
  async #between(
    subject: string,
    { floor, last }: { readonly floor: number; readonly last: Stored },
    limits: CallOptions,
  ): Promise<readonly AnyInstruction[]> {
    const found: AnyInstruction[] = [];
    try {
      for (let seq = floor + 1; found.length < MAX_READ;) {
        const stored = await this.#jetstream.next(FLEET_STREAMS.instructions, { ...limits, subject, seq });
        if (stored === undefined || stored.seq >= last.seq) break;
        found.push(...(await instructionsIn(stored)).own);
        seq = stored.seq + 1;
      }
    } catch (error) {
      if (!(error instanceof GatewayRefusedError && error.status === 403)) throw error;
    }
    return found;
  }

  /** A later message that has a lower number is of another stream. */
  #notice({ seq, at }: Stored): void {
    const isAnew = at > this.#newest.at && seq <= this.#newest.seq;
    if (isAnew) {
      this.#storages++;
      this.#seenBefore = 0;
    }
    if (isAnew || seq > this.#newest.seq) this.#newest = { seq, at };
  }
}
