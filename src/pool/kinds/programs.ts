/**
 * Owns the programs of a run that run now: how many may, and how all are stopped.
 * Must not know workers; a program is a lane of its own beside theirs.
 * Invariant: there are never more than `max` at a time; when `close` has resolved, none is left.
 */
import { systemClock } from "../../base/clock.ts";
import { Command } from "./program.ts";
import type { CommandRuntime } from "./program_files.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "../lane.ts";

/** What programs need of the outside. */
export interface CommandPort {
  readonly runtime: CommandRuntime;
  /** The environment that programs get, before the task's own. */
  environment(): Readonly<Record<string, string>>;
}

/** What hears of programs. */
export interface CommandListener {
  began?(lane: number, item: LaneItem, since: number): void;
  settled(lane: number, item: LaneItem, outcome: LaneOutcome): void;
  printed(line: LaneLine): void;
}

/** Where programs come from. */
export interface CommandSupply {
  takeCommand(lane: number): LaneItem | undefined;
  commit(): void;
}

/** How programs are run. */
export interface CommandsOptions extends CommandPort {
  readonly max: number;
  readonly killGraceMs: number;
  readonly listener: CommandListener;
}

/** A lane as pictures of a run show it. */
export interface CommandView {
  readonly id: number;
  readonly running: { readonly item: LaneItem; readonly since: number };
}

/** The programs of one run. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #running: Map<number, Command> = new Map();
  /** Of all programs of the run; there is none before the first. */
  #mark: string | undefined;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Those that run. */
  get views(): readonly CommandView[] {
    return Array.from(this.#running.values(), ({ id, item, since }) => ({ id, running: { item, since } }));
  }

  /** Runs what there is, as far as there is room. @param lane The last lane's number; returns the one that is last then. */
  feed(supply: CommandSupply, lane: number): number {
    let last = lane;
    while (this.#running.size < this.#options.max) {
      const item = supply.takeCommand(last + 1);
      if (item === undefined) break;
      last++;
      supply.commit();
      this.#start(last, item);
    }
    return last;
  }

  #start(lane: number, item: LaneItem): void {
    const { runtime, environment, killGraceMs, listener } = this.#options;
    const { task, iteration, attempt } = item;
    const command = new Command({
      lane,
      item,
      runtime,
      killGraceMs,
      mark: this.#mark ??= runtime.newMark(),
      environment: environment(),
      printed: (line) => listener.printed({ task, iteration, attempt, at: systemClock.now(), ...line }),
      settled: (outcome) => {
        this.#running.delete(lane);
        listener.settled(lane, item, outcome);
      },
    });
    this.#running.set(lane, command);
    listener.began?.(lane, item, systemClock.now());
  }

  cancelAll(because: string): void {
    for (const command of this.#running.values()) command.abort("cancelled", because);
  }

  /** Stops all; resolves when they are gone. */
  async close(): Promise<void> {
    this.cancelAll("the run has ended");
    await Promise.all(Array.from(this.#running.values(), (command) => command.over));
    // What has left its group is not waited for before; here it ends.
    if (this.#mark !== undefined) await this.#options.runtime.stopMarked(this.#mark);
  }
}

/** The programs of a pool, if it may run any. @param feed Called when there is room again. */
export function commandsOf(
  { commands, listener, killGraceMs, maxWorkers: max }: {
    readonly commands?: CommandPort;
    readonly listener: CommandListener;
    readonly killGraceMs: number;
    readonly maxWorkers: number;
  },
  feed: () => void,
): Commands | undefined {
  return commands && new Commands({
    ...commands,
    max,
    killGraceMs,
    listener: {
      began: (lane, item, since) => listener.began?.(lane, item, since),
      printed: (line) => listener.printed(line),
      settled: (lane, item, outcome) => {
        listener.settled(lane, item, outcome);
        feed();
      },
    },
  });
}
