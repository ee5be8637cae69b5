/**
 * Owns what outlives a process of the agent beside its runs: `DIR/agent.json`.
 * Must not know what a run is.
 * Invariant: what the disk did not take is known all the same, and is written with what is written next.
 */
import { type KeptTimetable, keptTimetableOf } from "./kept_timetable.ts";
import type { StateDisk } from "./state_disk.ts";

/** What is in the file. */
interface Facts {
  /** Tag of the last pipeline from a gateway that was closed. */
  readonly known?: string;
  /** Tags of those closed, the newest last. */
  readonly done?: readonly string[];
  readonly paused?: boolean;
  /** The timetable that is kept to. */
  readonly timetable?: KeptTimetable | undefined;
}

/** Tags that are remembered: as many as a gateway keeps for an executor, so that an older copy of it repeats none. */
const MAX_DONE = 100;

/** The memory of an agent. */
export class Memory {
  readonly #disk: StateDisk;
  readonly #file: string;
  #facts: Facts = {};
  /** Whether the file has it all. */
  #saved = true;
  #loaded = false;
  #saving: Promise<boolean> = Promise.resolve(true);

  constructor(disk: StateDisk) {
    this.#disk = disk;
    this.#file = `${disk.path}/agent.json`;
  }

  /** Tag of the last pipeline from a gateway that was closed, or that can't be read. */
  get known(): string | undefined {
    return this.#facts.known;
  }

  /** Whether the agent was told to start nothing new. */
  get paused(): boolean {
    return this.#facts.paused === true;
  }

  /** The timetable that is kept to, if there is one. */
  get timetable(): KeptTimetable | undefined {
    return this.#facts.timetable;
  }

  /** Whether the pipeline with this tag was closed lately. */
  wasClosed(tag: string): boolean {
    return this.#facts.done?.includes(tag) === true;
  }

  /** Reads the file; what can't be read counts for nothing, and what was noted before counts more. */
  async load(): Promise<void> {
    const kept = factsOf(await this.#disk.read(this.#file).catch(() => undefined));
    this.#facts = this.#loaded ? kept : { ...kept, ...this.#facts };
    this.#loaded = true;
  }

  pause(on: boolean): void {
    this.#note({ paused: on });
  }

  /** A timetable is kept to from now on, or none is. */
  keepTo(timetable: KeptTimetable | undefined): void {
    this.#note({ timetable });
  }

  /** A pipeline from a gateway is not to be run again. @param last It is the last that was handed out. */
  closed({ tag }: { readonly tag?: string }, last: boolean = true): void {
    const { known, done = [] } = this.#facts;
    if (tag === undefined || tag === known || done.includes(tag)) return;
    this.#note({ ...(last && { known: tag }), done: [...done, tag].slice(-MAX_DONE) });
  }

  /** Writes what is not written yet, one after the other; returns whether nothing is left of that. */
  save(): Promise<boolean> {
    return this.#saving = this.#saving.then(() => this.#save());
  }

  async #save(): Promise<boolean> {
    if (this.#saved) return true;
    // Until it is known what else the file says it would be lost.
    if (!this.#loaded) return false;
    const facts = this.#facts;
    const written = await this.#disk.tried(async () => {
      await this.#disk.write(this.#file, `${JSON.stringify(facts)}\n`);
      return true;
    });
    // Something may have been noted meanwhile.
    if (written) this.#saved = this.#facts === facts;
    return this.#saved;
  }

  #note(change: Facts): void {
    this.#facts = { ...this.#facts, ...change };
    this.#saved = false;
  }
}

function factsOf(found: Readonly<Record<string, unknown>> | undefined): Facts {
  const { known, done, paused } = found ?? {};
  const timetable = keptTimetableOf(found?.["timetable"]);
  return {
    ...(typeof known === "string" && { known }),
    ...(Array.isArray(done) && { done: done.filter((tag) => typeof tag === "string").slice(-MAX_DONE) }),
    ...(typeof paused === "boolean" && { paused }),
    ...(timetable !== undefined && { timetable }),
  };
}
