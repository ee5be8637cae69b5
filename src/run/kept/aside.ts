/**
 * Owns what lies beside the runs of a state directory: what could not be read, and runs that a gateway did not take all of.
 * Must not know what makes a run one of them.
 * Invariant: nothing is removed because it can't be read; of what was refused the newest stay.
 *
 *   DIR/runs/000001.damaged   what could not be read
 *   DIR/runs/000001.refused   what the gateway did not take all of
 *   DIR/runs/000001.damaged-2 the same, where that name is taken
 */
import type { Origin, Unread } from "./kept_run.ts";
import type { StateDisk } from "./state_disk.ts";

/** Runs of which something was refused are kept, the newest so many. */
const MAX_REFUSED = 20;

/** What is out of the way. */
export class Aside {
  readonly #disk: StateDisk;
  /** The folder of the runs. */
  readonly #runs: string;
  readonly #unread: Unread[] = [];
  #damaged: readonly string[] = [];
  #refused: readonly string[] = [];

  constructor(disk: StateDisk) {
    this.#disk = disk;
    this.#runs = `${disk.path}/runs`;
  }

  /** What could not be read at this start. */
  get unread(): readonly Unread[] {
    return this.#unread;
  }

  /** Paths of what was ever set aside and is still there. */
  get damaged(): readonly string[] {
    return this.#damaged.map((name) => `${this.#runs}/${name}`);
  }

  /** Paths of what was refused, and is still there. */
  get refused(): readonly string[] {
    return this.#refused.map((name) => `${this.#runs}/${name}`);
  }

  /** What was found among the runs under a name that is no run's. */
  found(name: string): void {
    if (name.includes(".damaged")) this.#damaged = [...this.#damaged, name];
    else if (name.includes(".refused")) this.#refused = [...this.#refused, name];
    else this.leaveUnread(`${this.#runs}/${name}`, "it is none of Outrider's", {});
  }

  /** Something that can't be read stays where it is: the next start tries it again. */
  leaveUnread(folder: string, because: string, origin: Origin): void {
    this.#unread.push({ folder, because, setAside: false, origin });
  }

  /** Something that can't be read is set aside, and told. */
  async setUnreadAside(folder: string, because: string, origin: Origin): Promise<void> {
    this.#unread.push({ folder: await this.setAside(folder), because, setAside: true, origin });
  }

  /** Moves what can't be used out of the way, under a name that says so; returns where it is then. */
  async setAside(folder: string): Promise<string> {
    const name = await this.#rename(folder, "damaged");
    if (name === undefined) return folder;
    this.#damaged = [...this.#damaged, name];
    return `${this.#runs}/${name}`;
  }

  /** Keeps a run that the gateway did not take all of, and lets go of the oldest of that kind. */
  async keepRefused(folder: string): Promise<void> {
    const name = await this.#rename(folder, "refused");
    if (name === undefined) return;
    const all = [...this.#refused, name].sort();
    for (const old of all.slice(0, -MAX_REFUSED)) {
      await this.#disk.tried(() => this.#disk.remove(`${this.#runs}/${old}`));
    }
    this.#refused = all.slice(-MAX_REFUSED);
  }

  /** Gives a folder a name that says what is the matter with it; `undefined` if the disk refuses. */
  #rename(folder: string, what: string): Promise<string | undefined> {
    return this.#disk.tried(async () => {
      const names = await this.#disk.list(this.#runs);
      const plain = `${folder.slice(folder.lastIndexOf("/") + 1)}.${what}`;
      let name = plain;
      for (let copy = 2; names.includes(name); copy++) name = `${plain}-${copy}`;
      await this.#disk.rename(folder, `${this.#runs}/${name}`);
      return name;
    });
  }
}
