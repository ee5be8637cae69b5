/**
 * Owns flags where a stream holds them: read, waited for, and changed by compare-and-set.
 * Must not know who asks.
 * Invariant: an operation is stored once, however often it is sent: its id goes with it, and the stream knows those of the
 * last hour.
 */
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { Bell, sleep } from "../base/wait.ts";
import { applied } from "../protocol/flag_change.ts";
import { type FlagOperation, type FlagReply, SharedFlag } from "../protocol/messages.ts";
import { FlagError, GatewayAnswerError, GatewayRefusedError, GatewayTimeoutError } from "../uplink/errors.ts";
import { type JetStream, packedValue, type Stored, unpackedLength, unpackedValue } from "./jetstream.ts";
import type { RequestLimits } from "./wire.ts";
import { ANY, FLEET_STREAMS, idOf, SUBJECTS } from "./words.ts";

/** Longest pause before one more attempt, when another came before: milliseconds. */
const PAUSE_MS = 50;

/** Flags of which it is remembered how they were left, and what the largest of them comes to, bytes of JSON. */
const MAX_LEFT = 1000;
const MAX_LEFT_BYTES = 1000;

/** Which flag. */
export interface FlagName {
  readonly experiment: string;
  readonly name: string;
}

/** Reads, waits for and changes flags. */
export class FleetFlags {
  readonly #jetstream: JetStream;
  /** Flags as they were left here: if nobody has changed one since, the next change needs no look at it. */
  readonly #left = new Map<string, Found>();
  readonly #world: { readonly clock: Clock; readonly random: Random };

  constructor(jetstream: JetStream, world: { readonly clock: Clock; readonly random: Random }) {
    this.#jetstream = jetstream;
    this.#world = world;
  }

  /** The flag as it is now. */
  async read(flag: FlagName, limits: RequestLimits): Promise<SharedFlag | undefined> {
    const { held } = await this.#found(flag, limits);
    return held && flagOf(held, flag);
  }

  /** All flags of an experiment, by name. What is none is passed over. */
  async all(experiment: string, limits: RequestLimits): Promise<SharedFlag[]> {
    const found = new Map<string, SharedFlag>();
    const subject = SUBJECTS.flag(experiment, ANY);
    for await (const page of this.#jetstream.pages(FLEET_STREAMS.flags, { ...limits, subject, from: 1 })) {
      for (const stored of page) {
        const name = idOf(stored.subject.split(".")[3] ?? "");
        const read = v.safeParse(Held, await unpackedValue(stored.data));
        if (read.success) found.set(name, flagOf(read.output, { name }));
      }
    }
    return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** The flag once its version is not `after` any more, or as it is when `waitMs` are over. */
  async awaited(
    flag: FlagName,
    { after, waitMs, ...limits }: RequestLimits & { readonly after: number; readonly waitMs: number },
  ): Promise<SharedFlag | undefined> {
    const { clock } = this.#world;
    const until = clock.monotonic() + waitMs;
    const bell = new Bell({ keeps: true });
    const leave = this.#jetstream.wire.listen(SUBJECTS.flag(flag.experiment, flag.name), () => bell.ring());
    try {
      for (;;) {
        const found = await this.read(flag, limits);
        const left = until - clock.monotonic();
        if ((found?.version ?? 0) !== after || left <= 0 || limits.signal?.aborted) return found;
        await bell.wait(limits.signal ?? undefined, { clock, ms: left });
      }
    } finally {
      leave();
    }
  }

  /** @param again Whether it may have been done before, by a request of which nobody knows what became of it. */
  async change(
    flag: FlagName,
    operation: FlagOperation,
    { again, ...limits }: RequestLimits & { readonly again: boolean },
  ): Promise<FlagReply> {
    const { clock, random } = this.#world;
    const until = clock.monotonic() + limits.timeoutMs;
    for (let tries = 0;; tries++) {
      const timeoutMs = until - clock.monotonic();
      if (timeoutMs <= 0) {
        throw new GatewayTimeoutError(`Flag ${flag.name} was changed by others each time: too many at once`);
      }
      const reply = await this.#attempt(flag, operation, { ...limits, timeoutMs, again });
      if (reply !== undefined) return reply;
      await sleep(clock, random() * Math.min(PAUSE_MS, 2 ** tries), limits.signal);
    }
  }

  /** `undefined`: another came before. */
  async #attempt(
    flag: FlagName,
    operation: FlagOperation,
    { again, ...limits }: RequestLimits & { readonly again: boolean },
  ): Promise<FlagReply | undefined> {
    const subject = SUBJECTS.flag(flag.experiment, flag.name);
    const left = this.#left.get(subject);
    this.#left.delete(subject);
    const { seq, held } = left ?? await this.#found(flag, limits);
    const before = held && flagOf(held, flag);
    if (again && held?.by === operation.id) return { flag: before!, done: held.done };
    const made = applied(flag.name, { flag: before, operation });
    const changes = !("refused" in made) && made.done && made.flag !== undefined;
    // What nothing is stored behind has to be as it is now.
    if (!changes && left !== undefined) return undefined;
    if (!changes && (!again || before === undefined)) return answerOf(made, flag);
    // What changes nothing is stored as it is where the operation may have been done before: its id tells.
    const { value, version } = changes ? made.flag! : before!;
    const next = { value, version, done: changes, by: operation.id };
    const data = await packedValue(next);
    const kept = await this.#jetstream.store(subject, data, {
      ...limits,
      after: seq,
      headers: { "Nats-Msg-Id": `${flag.experiment}/${flag.name}/${operation.id}` },
    });
    if (kept === undefined) return undefined;
    if (kept.again) return await this.#asItWas(flag, kept.seq, limits);
    if (unpackedLength(data) > MAX_LEFT_BYTES) return answerOf(made, flag);
    if (this.#left.size >= MAX_LEFT) this.#left.clear();
    this.#left.set(subject, { seq: kept.seq, held: next });
    return answerOf(made, flag);
  }

  /** What an operation had come to that was done before. */
  async #asItWas(flag: FlagName, seq: number, limits: RequestLimits): Promise<FlagReply> {
    const subject = SUBJECTS.flag(flag.experiment, flag.name);
    const stored = await this.#jetstream.next(FLEET_STREAMS.flags, { ...limits, subject, seq }).catch(
      (error) => {
        // A device may read the last value alone.
        if (error instanceof GatewayRefusedError && error.status === 403) return undefined;
        throw error;
      },
    );
    const was = stored?.seq === seq ? await heldIn(stored, flag) : undefined;
    if (was !== undefined) return { flag: flagOf(was, flag), done: was.done };
    throw new FlagError(
      `Flag ${flag.name} was changed as asked, and what it came to is no longer known: read the flag`,
    );
  }

  async #found(flag: FlagName, limits: RequestLimits): Promise<Found> {
    const subject = SUBJECTS.flag(flag.experiment, flag.name);
    const stored = await this.#jetstream.last(FLEET_STREAMS.flags, subject, limits);
    return { seq: stored?.seq ?? 0, held: stored && await heldIn(stored, flag) };
  }
}

const Held = v.looseObject({
  value: v.unknown(),
  version: SharedFlag.entries.version,
  /** `false`: an operation was asked for again, and changed nothing. */
  done: v.optional(v.boolean(), true),
  /** The operation that it came of. */
  by: v.optional(v.string()),
});

/** What a flag's subject holds, and its sequence; 0 where nothing is. */
interface Found {
  readonly seq: number;
  readonly held: v.InferOutput<typeof Held> | undefined;
}

async function heldIn(stored: Stored, { name }: FlagName): Promise<v.InferOutput<typeof Held>> {
  const read = v.safeParse(Held, await unpackedValue(stored.data));
  if (read.success) return read.output;
  throw new GatewayAnswerError(`Flag ${name} holds something that is no flag: set it anew`);
}

function flagOf(
  { value, version }: v.InferOutput<typeof Held>,
  { name }: Pick<FlagName, "name">,
): SharedFlag {
  return { name, value, version };
}

/** @throws {GatewayRefusedError} If the operation can't be done to what the flag is. */
function answerOf(made: ReturnType<typeof applied>, { name }: FlagName): FlagReply {
  if (!("refused" in made)) {
    return made.flag === undefined ? { done: made.done } : { flag: made.flag, done: made.done };
  }
  const { code, message } = made.refused;
  throw new GatewayRefusedError(`The change of flag ${name} was refused: ${message}`, {
    status: 409,
    reason: message,
    own: true,
    word: code,
    retryAfterMs: undefined,
  });
}
