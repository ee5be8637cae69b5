/**
 * Owns the queue: who is given what next, which run carries it out, and how it leaves the queue.
 * Must not know of HTTP, nor what a bundle holds.
 * Invariant: an executor is given its hand-outs in the order in which they came, and none again once it has done with it;
 * nothing leaves the queue but by a run, or by someone who asks for it.
 *
 * | what is heard of an executor                 | what becomes of the hand-out                          |
 * |----------------------------------------------|-------------------------------------------------------|
 * | it asks, and names no later one              | the oldest open one is given to it, perhaps once more |
 * | a run that names it has begun                | that run is its result                                |
 * | that run has ended, or it is named as known  | it is closed: never given to this executor again      |
 * | a heartbeat says that its timetable goes on  | it can be withdrawn still                             |
 */
import { assignmentOf, idOfAssignment } from "../fleet/words.ts";
import type { NewInstruction, Withdrawn } from "../protocol/messages.ts";
import { GROUP } from "../protocol/words.ts";
import type { Bytes } from "../base/bytes.ts";
import { Refuse } from "../base/web/refuse.ts";
import type {
  DeliveryRow,
  ExecutorRow,
  GatewayStore,
  HandoutRow,
  NewHandout,
  RunRow,
  Within,
} from "./store.ts";

/** Most hand-outs that wait for one executor, or that one group keeps. */
export const MAX_QUEUE = 100;

/** Most instructions that wait for one executor. */
const MAX_COMMANDS = 1000;

const EVERYONE = `${GROUP}all`;

/** What became of a submitted bundle. */
export interface Queued {
  readonly row: HandoutRow;
  readonly before: number;
  readonly executors: number;
  readonly replaced: readonly string[];
}

/** What an executor is given. */
export interface Handed {
  readonly bytes: Bytes;
  readonly hash: string;
  readonly id: string;
  readonly tag: string;
}

/** All that an executor is handed things by. */
export function targetsOf(executor: string, groups: readonly string[]): string[] {
  return [executor, EVERYONE, ...groups.map((group) => `${GROUP}${group}`)];
}

/** Asks something of an executor, in the reply to what it sends next. @throws {Refuse} 409 if too much waits for it. */
export async function instruct(
  store: Within,
  executor: string,
  { command, at }: { readonly command: NewInstruction; readonly at: number },
): Promise<number> {
  if (await store.waitingCommands(executor) < MAX_COMMANDS) {
    return await store.addCommand(executor, command, at);
  }
  throw new Refuse(409, "INSTRUCTIONS_FULL", {
    message:
      `${MAX_COMMANDS} instructions wait for ${executor}, which has not fetched them, and no more may: see what it does with outrider executors`,
  });
}

/** Known executors that a target means. */
export function membersOf(target: string, executors: readonly ExecutorRow[]): ExecutorRow[] {
  if (target === EVERYONE) return [...executors];
  if (!target.startsWith(GROUP)) return executors.filter(({ id }) => id === target);
  return executors.filter(({ heartbeat }) => heartbeat?.groups?.includes(target.slice(GROUP.length)));
}

/** The name of a hand-out between gateway and executor: an ETag. */
export function tagOf({ version, hash, id }: HandoutRow): string {
  return `"${version}-${hash}-${id}"`;
}

/** The hand-out that a tag names. One of before there was a queue has no id; another storage may have had such a number. */
export async function handoutOf(
  store: Within,
  tag: string | undefined,
): Promise<HandoutRow | undefined> {
  // Of a fleet's servers.
  const assigned = assignmentOf(tag);
  if (assigned !== undefined) return await store.handout(idOfAssignment(assigned));
  const [, version, hash, id] = /^(?:W\/)?"(\d{1,15})-([^-"]*)(?:-(q-\w+))?"$/.exec(tag ?? "") ?? [];
  if (version === undefined) return undefined;
  const row = await store.handout(id ?? Number(version));
  return row !== undefined && row.hash === hash && row.version === Number(version) ? row : undefined;
}

/**
 * Puts a bundle at the end of a queue.
 *
 * @param replace Those that wait in the same queue, and that nobody has begun, leave it.
 * @throws {Refuse} 409 if the queue is full.
 */
export function submit(store: GatewayStore, handout: NewHandout, replace: boolean): Promise<Queued> {
  return store.atomically(async (store) => {
    const { target, at } = handout;
    const members = membersOf(target, await store.executors());
    const replaced = replace ? await replaceAll(store, { target, at }) : [];
    await makeRoom(store, { target, members, at });
    const row = await store.addHandout(handout);
    const [only] = members;
    const queue = target.startsWith(GROUP)
      ? await store.openHandouts([target])
      : await store.openHandouts(targetsOf(target, only?.heartbeat?.groups ?? []), { executor: target });
    const before = queue.filter(({ version }) => version < row.version).length;
    return { row, before, executors: members.length, replaced };
  });
}

/** What runs goes on; what an executor has and has not begun, as far as is known here, is taken from it. */
async function replaceAll(
  store: Within,
  { target, at }: { readonly target: string; readonly at: number },
): Promise<string[]> {
  const waiting: HandoutRow[] = [];
  for (const row of await store.openHandouts([target])) {
    const began = !target.startsWith(GROUP) && (await store.delivery(target, row.version))?.run !== undefined;
    if (!began) waiting.push(row);
  }
  for (const row of waiting) {
    for (const { executor } of await notBegun(store, row)) {
      const because = "Replaced by another";
      await instruct(store, executor, { command: { type: "withdraw", handout: tagOf(row), because }, at });
    }
    await store.endHandout(row.version, { how: "replaced", at });
  }
  return waiting.map(({ id }) => id);
}

/** Who has been given a hand-out, and of whose run nothing is heard yet. */
async function notBegun(store: Within, { version }: HandoutRow): Promise<DeliveryRow[]> {
  return (await store.deliveries(version)).filter(({ run, closed }) => run === undefined && !closed);
}

/** A group keeps what it was handed for devices that come later; what all that are known have done gives way. */
async function makeRoom(
  store: Within,
  { target, members, at }: {
    readonly target: string;
    readonly members: readonly ExecutorRow[];
    readonly at: number;
  },
): Promise<void> {
  const open = await store.openHandouts([target]);
  if (open.length < MAX_QUEUE) return;
  const done = members.length === 0 ? undefined : await firstDone(store, open, members);
  if (done === undefined || !target.startsWith(GROUP)) {
    throw new Refuse(409, "QUEUE_FULL", {
      message:
        `${MAX_QUEUE} pipelines wait for ${target}, and no more may: wait, withdraw some with outrider cancel, or replace them with --replace`,
    });
  }
  await store.endHandout(done.version, { how: "done", at });
}

/** The first that all members have done with. */
async function firstDone(
  store: Within,
  open: readonly HandoutRow[],
  members: readonly ExecutorRow[],
): Promise<HandoutRow | undefined> {
  for (const row of open) {
    const deliveries = await store.deliveries(row.version);
    const closed = new Set(deliveries.filter((each) => each.closed).map((each) => each.executor));
    if (members.every(({ id }) => closed.has(id))) return row;
  }
  return undefined;
}

/**
 * What is to be given to an executor that is free.
 *
 * @param known Tag of the last one that it has done with.
 */
export function next(
  store: GatewayStore,
  { executor, groups, known, at }: {
    readonly executor: string;
    readonly groups: readonly string[];
    readonly known: string | undefined;
    readonly at: number;
  },
): Promise<Handed | undefined> {
  return store.atomically(async (store) => {
    const last = await handoutOf(store, known);
    if (last !== undefined) await close(store, last, { ...await deliveryOf(store, last, executor), at });
    const targets = targetsOf(executor, groups);
    for (
      const row of await store.openHandouts(targets, {
        executor,
        known: last?.version ?? 0,
        limit: MAX_QUEUE,
      })
    ) {
      const bytes = await store.bundle(row.hash);
      if (bytes === undefined) {
        await store.endHandout(row.version, {
          how: "withdrawn",
          at,
          because: "The gateway has lost its bundle",
        });
        continue;
      }
      await store.putDelivery(await deliveryOf(store, row, executor));
      return { bytes, hash: row.hash, id: row.id, tag: tagOf(row) };
    }
    return undefined;
  });
}

/** Notes which hand-out a run carries out, as its executor tells; once the run has ended, the hand-out is closed. */
export async function linked(store: Within, run: RunRow, tag: string | undefined): Promise<RunRow> {
  const { executor, handout, lastSeenAt: at } = run;
  const ended = run.state !== "running";
  if (handout !== undefined && !ended) return run;
  const row = handout === undefined ? await handoutOf(store, tag) : await store.handout(handout);
  if (row === undefined || (row.target !== executor && !row.target.startsWith(GROUP))) return run;
  const before = await deliveryOf(store, row, executor);
  // An executor that has lost its run begins another: the result is that of the last one begun, or the first that ends.
  const delivery = before.run === undefined || !before.closed ? { ...before, run: run.run } : before;
  if (ended) await close(store, row, { ...delivery, at });
  else if (delivery !== before) await store.putDelivery(delivery);
  return { ...run, handout: row.id };
}

async function deliveryOf(
  store: Within,
  { version }: HandoutRow,
  executor: string,
): Promise<DeliveryRow> {
  return await store.delivery(executor, version) ?? { executor, version, run: undefined, closed: false };
}

async function close(
  store: Within,
  row: HandoutRow,
  { at, ...delivery }: DeliveryRow & { readonly at: number },
): Promise<void> {
  await store.putDelivery({ ...delivery, closed: true });
  if (row.target === delivery.executor) await store.endHandout(row.version, { how: "done", at });
}

/**
 * Takes a hand-out out of the queue, and has what runs of it cancelled.
 *
 * @throws {Refuse} 404 if there is none, 409 if it is over.
 */
export function withdraw(
  store: GatewayStore,
  id: string,
  { because, at }: { readonly because: string; readonly at: number },
): Promise<Withdrawn> {
  return store.atomically(async (store) => {
    const row = await store.handout(id);
    if (!row) {
      throw new Refuse(404, "NO_HANDOUT", {
        message: `There is no ${id} in any queue: outrider results lists what there is`,
      });
    }
    const keepers = await keepersOf(store, tagOf(row));
    if (row.ended && keepers.length === 0) {
      throw new Refuse(409, "HANDOUT_OVER", { message: `${id} is over: it is ${row.ended.how}` });
    }
    const [runs, taken]: [string[], string[]] = [[], []];
    for (const executor of keepers) {
      taken.push(executor);
      await instruct(store, executor, { command: { type: "withdraw", handout: tagOf(row), because }, at });
    }
    for (const { executor, run, closed } of await store.deliveries(row.version)) {
      if (closed || keepers.includes(executor)) continue;
      if (run === undefined) taken.push(executor);
      else runs.push(run);
      const command: NewInstruction = run === undefined
        ? { type: "withdraw", handout: tagOf(row), because }
        : { type: "cancel", run, because };
      await instruct(store, executor, { command, at });
    }
    await store.endHandout(row.version, { how: "withdrawn", at, because });
    return { id, runs, taken };
  });
}

/** Who keeps to the timetable of a hand-out, by their last word: it goes on when the hand-out is long over. */
export async function keepersOf(store: Pick<Within, "executors">, tag: string): Promise<string[]> {
  const executors = await store.executors();
  return executors.flatMap(({ id, heartbeat }) => heartbeat?.timetable?.handout === tag ? [id] : []);
}
