/**
 * Owns whose a state directory is: `DIR/lock`, held for the life of a process.
 * Must not know what else lies there.
 * Invariant: one process has the directory at a time, also on a disk that is full.
 */
import { type StateDisk, StateError } from "./state_disk.ts";

/** The lock of one process. */
export class StateLock {
  readonly #disk: StateDisk;
  #unlock: (() => void) | undefined;
  /** There was no room for a lock yet. */
  #lockless = false;

  constructor(disk: StateDisk) {
    this.#disk = disk;
  }

  /** Whether this process has the directory. */
  get isHeld(): boolean {
    return this.#lockless || this.#unlock !== undefined;
  }

  /**
   * Takes the directory; returns whether it could be had.
   *
   * @throws {StateError} If the directory can't be used.
   */
  async take(): Promise<boolean> {
    if (this.#unlock !== undefined) return true;
    const { lockFile } = await import("../../journal/disk/lock.ts");
    const isFull = (error: unknown): boolean => {
      if (error instanceof StateError && error.full) return true;
      throw error;
    };
    const full = await this.#tryOut().then(() => false, isFull);
    try {
      // A full disk may hold a lock all the same, and another process has it.
      this.#unlock = await this.#disk.told(() => lockFile(`${this.#disk.path}/lock`));
      this.#lockless = false;
    } catch (error) {
      // Where none can be made there is nothing to share either; it is made as soon as there is room.
      this.#lockless = full || isFull(error);
    }
    return this.isHeld;
  }

  /** Makes a lock if there was no room for one before. */
  async makeGood(): Promise<void> {
    if (this.#lockless) await this.#disk.tried(() => this.take());
  }

  release(): void {
    this.#lockless = false;
    this.#unlock?.();
    this.#unlock = undefined;
  }

  /** Finds out before there is anything to keep that nothing can be. A disk that is full may have room by then. */
  async #tryOut(): Promise<void> {
    const file = `${this.#disk.path}/.written`;
    await this.#disk.makeFolder(`${this.#disk.path}/runs`);
    await this.#disk.write(file, "");
    await this.#disk.remove(file);
  }
}
