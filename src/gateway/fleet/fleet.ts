/**
 * Owns a gateway's part in a fleet: its line to the servers, what it reads there, what it does there for executors.
 * Must not know of HTTP.
 * Invariant: several gateways do the same side by side; none needs another.
 */
import * as v from "valibot";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { errorBody, Refuse } from "../../base/web/refuse.ts";
import type { NatsMessage } from "../../fleet/connection.ts";
import { FleetFlags } from "../../fleet/flags.ts";
import type { NatsWireOptions } from "../../fleet/dialler.ts";
import { JetStream, unpackedValue } from "../../fleet/jetstream.ts";
import { NatsWire } from "../../fleet/wire.ts";
import { ANY, idOf, OWN_NAMES, SUBJECTS } from "../../fleet/words.ts";
import { FlagOperation } from "../../protocol/messages.ts";
import type { UplinkError } from "../../uplink/errors.ts";
import { Bells } from "../bells.ts";
import type { GatewayDesk } from "../desk/desk.ts";
import { Heard } from "../heard.ts";
import type { GatewayStore } from "../store.ts";
import { DESK_LIMITS, fleetDesk, orRefuse } from "./desk.ts";
import { Hearing } from "./hearing.ts";

/** What it is made of. */
export interface FleetOptions extends Pick<NatsWireOptions, "url" | "token" | "readCreds" | "dial"> {
  readonly store: GatewayStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether the store has room for nothing more: then no records are read. Default: it never is. */
  readonly isFull?: () => boolean;
  /** The servers are not in reach, or are again. */
  readonly onTrouble?: (error: UplinkError | undefined) => void;
  /** Told of what is none of the servers' doing, and is tried again; default: it ends the process. */
  readonly onDefect?: (error: unknown) => void;
}

/** A gateway's part in a fleet, as its app and its owner use it. */
export interface FleetPart {
  readonly desk: GatewayDesk;
  readonly bells: Bells;
  readonly heard: Heard;
  stop(): Promise<void>;
}

const Asked = v.object({ operation: FlagOperation, again: v.optional(v.boolean(), true) });

/** Takes part. @throws {UplinkError} If the servers are not in reach, or have no streams. */
export async function joinFleet(options: FleetOptions): Promise<FleetPart> {
  const { store, clock, random, isFull = () => false, onTrouble = () => {}, onDefect = thrown } = options;
  const wire = new NatsWire({ ...options, name: OWN_NAMES.gateway });
  const jetstream = new JetStream(wire);
  const [bells, heard] = [new Bells(), new Heard(clock)];
  const hearing = new Hearing({ jetstream, store, clock, bells, heard, isFull, onTrouble, onDefect });
  const flags = new FleetFlags(jetstream, { clock, random });
  const desk = fleetDesk({ jetstream, store, hearing, flags, clock, random });
  try {
    await hearing.start();
  } catch (error) {
    await wire.close();
    throw error;
  }
  // Of several gateways each operation goes to one; one after the other here, so that few meet.
  let last: Promise<unknown> = Promise.resolve();
  const deaf = wire.listen(SUBJECTS.flagService(ANY, ANY), (message) => {
    last = last.then(() => flagChanged(message, { flags, wire }));
  }, "gateways");
  return {
    desk,
    bells,
    heard,
    async stop() {
      deaf();
      const stopped = hearing.stop();
      // What it waits for, which may be long, ends with the line.
      await wire.close();
      await stopped;
    },
  };
}

function thrown(error: unknown): never {
  throw error;
}

async function flagChanged(
  message: NatsMessage,
  { flags, wire }: { readonly flags: FleetFlags; readonly wire: NatsWire },
): Promise<void> {
  const [, , , experiment = "", name = ""] = message.subject.split(".");
  const read = v.safeParse(Asked, await unpackedValue(new Uint8Array(message.data)));
  const named = { experiment: idOf(experiment), name: idOf(name) };
  let answer: string;
  try {
    if (!read.success) throw new Refuse(400, "BODY", { message: "This is no operation on a flag" });
    const { operation, again } = read.output;
    answer = JSON.stringify(await orRefuse(flags.change(named, operation, { ...DESK_LIMITS, again })));
  } catch (error) {
    answer = error instanceof Refuse
      ? errorBody(error.status === 503 ? "BUSY" : error.code, error.message)
      : errorBody("DEFECT", "The gateway failed at this");
  }
  wire.answer(message, new TextEncoder().encode(answer));
}
