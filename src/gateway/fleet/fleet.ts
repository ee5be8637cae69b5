/**
 * Owns a gateway's part in a fleet: its line to the servers, what it reads there, what it does there for executors.
 * Must not know of HTTP.
 * Invariant: several gateways do the same side by side; none needs another.
 */
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { FleetFlags } from "../../fleet/flags.ts";
import type { NatsWireOptions } from "../../fleet/dialler.ts";
import { JetStream } from "../../fleet/jetstream.ts";
import { NatsWire } from "../../fleet/wire.ts";
import { OWN_NAMES } from "../../fleet/words.ts";
import type { UplinkError } from "../../uplink/errors.ts";
import { Bells } from "../bells.ts";
import type { GatewayDesk } from "../desk/desk.ts";
import { Heard } from "../heard.ts";
import type { GatewayStore } from "../store.ts";
import { fleetDesk } from "./desk.ts";
import { FlagService } from "./flag_service.ts";
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
  const deaf = new FlagService(wire, flags).start();
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
