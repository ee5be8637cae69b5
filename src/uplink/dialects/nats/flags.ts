/**
 * Owns how an executor reads and changes flags of a fleet: a gateway that is running changes them for all, one after the
 * other; where none is, this executor does by compare-and-set.
 * Must not know what flags are for.
 * Invariant: an operation is done once, whoever does it and however often it is sent.
 */
import * as v from "valibot";
import { FleetFlags } from "../../../fleet/flags.ts";
import { type JetStream, unpackedValue } from "../../../fleet/jetstream.ts";
import { SUBJECTS } from "../../../fleet/words.ts";
import { type FlagOperation, FlagReply, refusalIn } from "../../../protocol/messages.ts";
import { GatewayAnswerError, GatewayRefusedError } from "../../errors.ts";
import type { CallOptions, FlagLine } from "../../gateway.ts";
import type { Clock } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";

/** How much of a call's time a gateway is waited for where nobody says that there is none. */
const FOR_GATEWAY = 0.4;
/** Operations of which it is remembered that nobody knows what became of them. */
const MAX_UNSURE = 1000;

/** The flags of one experiment. */
export function natsFlags(
  jetstream: JetStream,
  { experiment, clock, random }: {
    readonly experiment: string;
    readonly clock: Clock;
    readonly random: Random;
  },
): FlagLine {
  const flags = new FleetFlags(jetstream, { clock, random });
  const unsure = new Set<string>();
  return {
    repeatable: true,
    waits: true,
    read: (name, { after, waitMs = 0, ...limits }) =>
      after === undefined
        ? flags.read({ experiment, name }, limits)
        : flags.awaited({ experiment, name }, { ...limits, after, waitMs }),
    async change(name, operation, limits) {
      const until = clock.monotonic() + limits.timeoutMs;
      const again = unsure.has(operation.id);
      unsure.add(operation.id);
      if (unsure.size > MAX_UNSURE) unsure.delete(unsure.keys().next().value!);
      const flag = { experiment, name };
      const asked = await byGateway(jetstream, { ...flag, operation, again, clock }, limits);
      const reply = typeof asked === "object" ? asked : await flags.change(flag, operation, {
        ...limits,
        timeoutMs: until - clock.monotonic(),
        again: again || asked === "unanswered",
      });
      unsure.delete(operation.id);
      return reply;
    },
  };
}

interface Asked {
  readonly experiment: string;
  readonly name: string;
  readonly operation: FlagOperation;
  readonly again: boolean;
  readonly clock: Clock;
}

/** What a gateway made of it, where one is running and tells. */
async function byGateway(
  { wire, isBehindLeaf }: JetStream,
  { experiment, name, operation, again, clock }: Asked,
  { timeoutMs, signal }: CallOptions,
): Promise<FlagReply | "absent" | "unanswered"> {
  const body = new TextEncoder().encode(JSON.stringify({ operation, again }));
  // Given up rather than out of time: that says nothing of the line. Elsewhere it runs out of time, and that does.
  const waited = new AbortController();
  const enough = isBehindLeaf ? clock.after(timeoutMs * FOR_GATEWAY, () => waited.abort()) : () => {};
  const answer = await wire.request(SUBJECTS.flagService(experiment, name), body, {
    timeoutMs,
    signal: AbortSignal.any([waited.signal, ...signal ? [signal] : []]),
  }).catch((error) => {
    if (waited.signal.aborted && !signal?.aborted) return undefined;
    throw error;
  }).finally(enough);
  if (answer === undefined) return "unanswered";
  if (answer.status !== 0) return "absent";
  const said = await unpackedValue(new Uint8Array(answer.data));
  const refusal = refusalIn(said);
  if (refusal !== undefined) {
    const { code: word, message } = refusal;
    throw new GatewayRefusedError(`The change of flag ${name} was refused: ${message}`, {
      status: word === "BUSY" ? 503 : 409,
      reason: message,
      own: true,
      word,
      retryAfterMs: undefined,
    });
  }
  const read = v.safeParse(FlagReply, said);
  if (read.success) return read.output;
  throw new GatewayAnswerError(`The gateway answered the change of flag ${name} with something else`);
}
