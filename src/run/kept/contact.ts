/**
 * Owns what is told of the gateway to whoever starts the agent: `DIR/gateway.json`, whether it is in reach.
 * Must not know what the gateway is, nor who reads this: a supervisor, an installer (`reached` below, and install.sh).
 * Invariant: it is written only where it changes; what the disk did not take is written with what is written next.
 */
import type { StateDisk } from "./state_disk.ts";

/** The name of the file. */
export const CONTACT_FILE = "gateway.json";

/** Whether the file's text says that the gateway is in reach. */
export function reached(text: string): boolean {
  return /"reached":true/.test(text);
}

/** Whether the gateway is in reach. */
export class Contact {
  readonly #disk: StateDisk;
  #now: boolean | undefined;
  #written: boolean | undefined;

  constructor(disk: StateDisk) {
    this.#disk = disk;
  }

  tell(isReached: boolean): void {
    this.#now = isReached;
  }

  /** Writes what is not written yet, if the disk takes it. */
  async save(): Promise<void> {
    const now = this.#now;
    if (now === undefined || now === this.#written) return;
    await this.#disk.tried(async () => {
      await this.#disk.write(`${this.#disk.path}/${CONTACT_FILE}`, `{"reached":${now}}\n`);
      this.#written = now;
    });
  }
}
