/**
 * Owns the desk of a gateway that executors ask themselves: its own store.
 * Must not know of HTTP.
 * Invariant: an operation on a flag is done once, however often it comes, and its answer is the same each time.
 */
import type { Clock } from "../../base/clock.ts";
import { Refuse } from "../../base/web/refuse.ts";
import { applied } from "../../protocol/flag_change.ts";
import type { FlagOperation, FlagReply, SharedFlag } from "../../protocol/messages.ts";
import type { Bells } from "../bells.ts";
import { instruct, submit, withdraw } from "../queue.ts";
import { requireRoom, type Retention } from "../retention.ts";
import type { FlagAnswer, GatewayStore, Within } from "../store.ts";
import type { GatewayDesk, NamedFlag } from "./desk.ts";

/** What the flags of one experiment may come to, all together. */
const MAX_FLAGS = { count: 10_000, bytes: 16 * 1024 * 1024 };

interface DeskParts {
  readonly store: GatewayStore;
  readonly clock: Clock;
  readonly bells: Bells;
  readonly retention?: Pick<Retention, "isFull"> | undefined;
}

/** The desk over a store. */
export function localDesk(parts: DeskParts): GatewayDesk {
  const { store, clock, bells } = parts;
  return {
    instruct: (executor, command) =>
      store.atomically((store) => instruct(store, executor, { command, at: clock.now() })),
    async submit(handout, replace) {
      requireRoom(parts.retention);
      return await submit(store, handout, replace);
    },
    withdraw: (id, why) => withdraw(store, id, why),
    flags: (experiment) => store.flags(experiment),
    flag: (named, wait) => readFlag(parts, named, wait),
    async setFlag(named, value) {
      const flag = await store.atomically(async (store) => {
        const before = await store.flag(named.experiment, named.name);
        const next = { name: named.name, value, version: (before?.version ?? 0) + 1 };
        await keep(next, { before, store, experiment: named.experiment, retention: parts.retention });
        return next;
      });
      bells.ring(bellOf(named));
      return flag;
    },
    changeFlag: (named, operation) => changeFlag(parts, named, operation),
  };
}

function bellOf({ experiment, name }: NamedFlag): string {
  return `flag:${experiment}/${name}`;
}

async function readFlag(
  { store, clock, bells }: DeskParts,
  named: NamedFlag,
  { after = -1, waitMs = 0, signal }: Parameters<GatewayDesk["flag"]>[1],
): Promise<SharedFlag | undefined> {
  const until = clock.monotonic() + waitMs;
  const news = bells.listen(bellOf(named));
  try {
    for (;;) {
      const flag = await store.flag(named.experiment, named.name);
      const left = until - clock.monotonic();
      // A lower one is that of a storage which took the place of the one that the asker knows.
      if ((flag && flag.version !== after) || left <= 0 || after < 0 || signal.aborted) return flag;
      await news.wait(signal, { clock, ms: left });
    }
  } finally {
    news.leave();
  }
}

async function changeFlag(
  { store, clock, bells, retention }: DeskParts,
  named: NamedFlag,
  operation: FlagOperation,
): Promise<FlagReply> {
  const { experiment, name } = named;
  // Ids of operations on different flags do not meet.
  const id = `${name}/${operation.id}`;
  const answer = await store.atomically(async (store) => {
    const answered = await store.flagAnswer(experiment, id);
    if (answered) return withValue(answered, operation);
    const before = await store.flag(experiment, name);
    const made = applied(name, { flag: before, operation });
    if ("refused" in made) throw new Refuse(409, made.refused.code, { message: made.refused.message });
    // What changed nothing may be asked again, and is answered by what holds then.
    if (!made.done || !made.flag) return made;
    await keep(made.flag, { before, store, experiment, retention });
    await store.putFlagAnswer(experiment, {
      ...withoutValue(made, operation),
      operation: id,
      at: clock.monotonic(),
    });
    return made;
  });
  if (answer.done) bells.ring(bellOf(named));
  return answer.flag ? answer as FlagReply : { done: answer.done };
}

interface Keep extends Pick<DeskParts, "retention"> {
  readonly before: SharedFlag | undefined;
  readonly store: Within;
  readonly experiment: string;
}

/** @throws {Refuse} If the flags of the experiment came to more than they may, or the store is full. */
async function keep(flag: SharedFlag, { before, store, experiment, retention }: Keep): Promise<void> {
  await store.putFlag(experiment, flag);
  if (before !== undefined && bytesOf(flag) <= bytesOf(before)) return;
  requireRoom(retention);
  const { count, bytes } = await store.flagsSize(experiment);
  if (count <= MAX_FLAGS.count && bytes <= MAX_FLAGS.bytes) return;
  throw new Refuse(413, "FLAGS_FULL", {
    message:
      `The flags of experiment ${experiment} would be ${count} and have ${bytes} bytes: ${MAX_FLAGS.count} and ${MAX_FLAGS.bytes} are allowed: use those that are there, or another experiment`,
  });
}

function bytesOf({ value }: SharedFlag): number {
  return new TextEncoder().encode(JSON.stringify(value ?? null)).length;
}

/** What an operation sets a flag to comes with it each time, so it is not kept a second time. */
function withoutValue(answer: FlagAnswer, operation: FlagOperation): FlagAnswer {
  if (!("value" in operation) || answer.flag === undefined) return answer;
  const { value: _, ...flag } = answer.flag;
  return { ...answer, flag };
}

function withValue(answer: FlagAnswer, operation: FlagOperation): FlagAnswer {
  if (!("value" in operation) || answer.flag === undefined || "value" in answer.flag) return answer;
  return { ...answer, flag: { ...answer.flag, value: operation.value } };
}
