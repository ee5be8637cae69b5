/**
 * Owns the desk of a fleet's gateway: what it passes on and shares lies on the fleet's servers, where executors and other
 * gateways find it.
 * Must not know of HTTP.
 * Invariant: what was promised is stored on the servers; this gateway may end then.
 */
import { type Bytes, sha256 } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { sleep } from "../../base/wait.ts";
import { Refuse } from "../../base/web/refuse.ts";
import type { FleetFlags } from "../../fleet/flags.ts";
import { instructionsIn } from "../../fleet/instructions.ts";
import { type JetStream, packedValue, type Stored } from "../../fleet/jetstream.ts";
import {
  type Addressee,
  CHUNK_BYTES,
  FLEET_STREAMS,
  idBefore,
  SUBJECTS,
  tagOfId,
} from "../../fleet/words.ts";
import type { AnyInstruction, NewInstruction, Withdrawn } from "../../protocol/messages.ts";
import { GROUP } from "../../protocol/words.ts";
import { GatewayRefusedError, UplinkError } from "../../uplink/errors.ts";
import type { GatewayDesk } from "../desk/desk.ts";
import { keepersOf, membersOf, type Queued } from "../queue.ts";
import type { GatewayStore, NewHandout } from "../store.ts";
import type { Hearing } from "./hearing.ts";

/** How long the servers are asked for one thing, milliseconds. */
export const DESK_LIMITS = { timeoutMs: 10_000 } as const;
/** Instructions that one message tells of beside its own: those that an executor which was away has missed. */
const MAX_BEFORE = 64;
/** Age from which a bundle's piece is stored anew, milliseconds. */
const RENEWED_MS: number = 24 * 3600 * 1000;
/** Attempts to be the next, where others pass on things to the same executor at the same time. */
const MAX_TRIES = 100;

/** What the desk is made of. */
export interface FleetDeskParts {
  readonly jetstream: JetStream;
  readonly store: GatewayStore;
  readonly hearing: Hearing;
  readonly flags: FleetFlags;
  readonly clock: Clock;
  readonly random: Random;
}

/** The desk over a fleet's servers. */
export function fleetDesk(parts: FleetDeskParts): GatewayDesk {
  const { flags } = parts;
  return {
    instruct: (executor, instruction) => orRefuse(instruct(parts, { executor }, instruction)),
    submit: (handout) => orRefuse(submit(parts, handout)),
    withdraw: (id, { because }) => orRefuse(withdraw(parts, id, because)),
    flags: (experiment) => orRefuse(flags.all(experiment, DESK_LIMITS)),
    flag: (named, { after, waitMs = 0, signal }) =>
      orRefuse(
        after === undefined
          ? flags.read(named, DESK_LIMITS)
          : flags.awaited(named, { ...DESK_LIMITS, after, waitMs, signal }),
      ),
    setFlag: (named, value) =>
      orRefuse((async () => {
        const id = crypto.randomUUID();
        const reply = await flags.change(named, { op: "set", id, value }, { ...DESK_LIMITS, again: false });
        return reply.flag!;
      })()),
    // Who asks by HTTP may have asked before, also another gateway.
    changeFlag: (named, operation) =>
      orRefuse(flags.change(named, operation, { ...DESK_LIMITS, again: true })),
  };
}

/** What the servers refuse, or do not answer, is a refusal of ours. */
export async function orRefuse<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof UplinkError)) throw error;
    const refused = error instanceof GatewayRefusedError && error.word !== undefined;
    throw refused
      ? new Refuse(409, error.word!, { message: error.reason })
      : new Refuse(503, "FLEET", { message: error.message });
  }
}

/** Whom a target of a hand-out means. */
function addresseeOf(target: string): Addressee {
  return target.startsWith(GROUP) ? { group: target.slice(GROUP.length) } : { executor: target };
}

/** Stores an instruction behind those before it, which it tells of too: who was away reads the last message alone. */
async function instruct(
  { jetstream, clock, random }: FleetDeskParts,
  whom: Addressee,
  instruction: NewInstruction,
): Promise<number> {
  const subject = SUBJECTS.instructions(whom);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const last = await jetstream.last(FLEET_STREAMS.instructions, subject, DESK_LIMITS);
    const before = last === undefined ? [] : await toldUpTo(jetstream, last);
    const body = { ...instruction, before: before.slice(-MAX_BEFORE) };
    const data = new TextEncoder().encode(JSON.stringify(body));
    const kept = await jetstream.store(subject, data, { ...DESK_LIMITS, after: last?.seq ?? 0 });
    if (kept !== undefined) return kept.seq;
    await sleep(clock, random() * 20);
  }
  throw new Refuse(503, "BUSY", { message: `Too much is asked of ${subject} at once: try again` });
}

/** The instructions up to a message. One that is none, as somebody may have had the server put there, hides none before it. */
async function toldUpTo(jetstream: JetStream, last: Stored): Promise<readonly AnyInstruction[]> {
  const { own, before } = await instructionsIn(last);
  if (before !== undefined) return [...before, ...own];
  let told: readonly AnyInstruction[] = [];
  const all = { ...DESK_LIMITS, subject: last.subject, from: 1 };
  for await (const page of jetstream.pages(FLEET_STREAMS.instructions, all)) {
    for (const stored of page) {
      const each = await instructionsIn(stored);
      told = [...each.before ?? told, ...each.own].slice(-MAX_BEFORE);
    }
  }
  return told;
}

async function submit(
  parts: FleetDeskParts,
  { target, bytes = new Uint8Array(0), hash, pipeline }: NewHandout,
): Promise<Queued> {
  const { jetstream, store, hearing } = parts;
  const chunks = await storeBundle(parts, hash, bytes);
  const subject = SUBJECTS.assignment(addresseeOf(target));
  const data = await packedValue({ hash, chunks, ...(pipeline !== undefined && { pipeline }) });
  const open = await store.openHandouts([target]);
  const { seq } = (await jetstream.store(subject, data, DESK_LIMITS))!;
  await hearing.assignments();
  const row = (await store.handouts([target], 50)).find(({ id }) => id.startsWith(idBefore(seq)));
  if (row === undefined) {
    throw new Refuse(409, "REPLACED", {
      message: `Another pipeline for ${target} came at the same moment, and counts`,
    });
  }
  const executors = membersOf(target, await store.executors()).length;
  const after = await Promise.all(open.map(({ id }) => store.handout(id)));
  const replaced = after.flatMap((each) => each?.ended?.how === "replaced" ? [each.id] : []);
  return { row, before: 0, executors, replaced };
}

/** Stores the pieces of a bundle that are not there yet, or long since; resolves to how many there are. */
async function storeBundle(
  { jetstream, clock }: Pick<FleetDeskParts, "jetstream" | "clock">,
  hash: string,
  bytes: Bytes,
): Promise<number> {
  const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
  for (let at = 0; at < chunks; at++) {
    const piece = bytes.slice(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
    const subject = SUBJECTS.bundle(hash, at);
    const there = await jetstream.last(FLEET_STREAMS.bundles, subject, DESK_LIMITS);
    // One that is older would be gone with its age while the newest assignment still names it.
    const isFresh = there !== undefined && there.at + RENEWED_MS > clock.now();
    if (isFresh && await sha256(there.data) === await sha256(piece)) continue;
    await jetstream.store(subject, piece, DESK_LIMITS);
  }
  return chunks;
}

async function withdraw(parts: FleetDeskParts, id: string, because: string): Promise<Withdrawn> {
  const { jetstream, store, hearing } = parts;
  const row = await store.handout(id);
  if (!row) {
    throw new Refuse(404, "NO_HANDOUT", {
      message: `There is no ${id} in any queue: outrider results lists what there is`,
    });
  }
  const keepers = await keepersOf(store, tagOfId(id));
  if (row.ended && keepers.length === 0) {
    throw new Refuse(409, "HANDOUT_OVER", { message: `${id} is over: it is ${row.ended.how}` });
  }
  const whom = addresseeOf(row.target);
  // Of one that is over only its timetable is left; what came to the same target since stays.
  if (!row.ended) {
    const data = await packedValue({ withdrawn: id, because });
    await jetstream.store(SUBJECTS.assignment(whom), data, DESK_LIMITS);
  }
  // Whoever has taken it hears of it; its run is cancelled.
  await instruct(parts, whom, { type: "withdraw", handout: tagOfId(id), because });
  await hearing.assignments();
  const deliveries = await store.deliveries(row.version);
  const going = deliveries.filter(({ closed, executor }) => !closed && !keepers.includes(executor));
  return {
    id,
    runs: going.flatMap(({ run }) => run ?? []),
    taken: [...keepers, ...going.flatMap(({ run, executor }) => run === undefined ? [executor] : [])],
  };
}
