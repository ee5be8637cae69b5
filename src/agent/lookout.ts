/**
 * Owns looking now and then at what nobody tells of: the disk, and whether the gateway has been out of reach for too long.
 * Must not know what is done about it.
 * Invariant: a trouble is told when it begins and when it ends, and not in between.
 */
import type { StateDir } from "../run/kept/state_dir.ts";
import type { AgentPort } from "./port.ts";

/** How often it is looked, milliseconds. */
const LOOK_MS = 5_000;

/** What is looked at. */
export interface LookoutOptions {
  readonly port: AgentPort;
  /** How long the gateway may be out of reach, milliseconds. */
  readonly keepAliveMs: number;
  readonly outOfReachMs: () => number;
  /** The time for the run to look at its disk. */
  readonly look: () => void;
  /** The gateway has been out of reach for that long: nothing is looked at any more. */
  readonly giveUp: () => void;
}

/** Looks until the returned function is called. */
export function lookOut({ port, keepAliveMs, outOfReachMs, look, giveUp }: LookoutOptions): () => void {
  const disk = new DiskTrouble(port.state, port.note);
  let cancel: () => void;
  const again = (): void => {
    cancel = port.clock.after(Math.min(LOOK_MS, Math.max(100, keepAliveMs / 4)), () => {
      look();
      void disk.look();
      if (outOfReachMs() >= keepAliveMs) giveUp();
      else again();
    });
  };
  again();
  return () => cancel();
}

/** Writes what the disk has refused beside the journals, and tells when that begins and ends. */
class DiskTrouble {
  readonly #state: StateDir | undefined;
  readonly #note: (text: string) => void;
  /** What a person was told last. */
  #told: string | undefined;

  constructor(state: StateDir | undefined, note: (text: string) => void) {
    this.#state = state;
    this.#note = note;
  }

  async look(): Promise<void> {
    await this.#state?.makeGood();
    const trouble = this.#state?.trouble;
    if (trouble === this.#told) return;
    this.#told = trouble;
    this.#note(trouble ?? "The disk takes what is kept of the agent again");
  }
}
