/**
 * Owns the programs of a run that run now: how many may, and how all are stopped.
 * Must not know workers; a program is a lane of its own beside theirs.
 * Invariant: there are never more than `max` at a time; when `close` has resolved, none is left.
 */
import { Command, type CommandRuntime } from "./command.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "./lane.ts";

/** What programs need of the outside. */
export interface CommandPort {
  readonly runtime: CommandRuntime;
  /** The environment that programs get, before the task's own. */
  environment(): Readonly<Record<string, string>>;
}

/** What hears of programs. */
export interface CommandListener {
  settled(lane: number, item: LaneItem, outcome: LaneOutcome): void;
  printed(line: LaneLine): void;
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

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Those that run. */
  get views(): readonly CommandView[] {
    return Array.from(this.#running.values(), ({ id, item, since }) => ({ id, running: { item, since } }));
  }

  /** Whether one more may run. */
  get room(): boolean {
    return this.#running.size < this.#options.max;
  }

  /** Runs a program. */
  start(lane: number, item: LaneItem): void {
    const { runtime, environment, killGraceMs, listener } = this.#options;
    const { task, iteration, attempt } = item;
    const command = new Command({
      lane,
      item,
      runtime,
      killGraceMs,
      environment: environment(),
      printed: (line) => listener.printed({ task, iteration, attempt, at: Date.now(), ...line }),
      settled: (outcome) => {
        this.#running.delete(lane);
        listener.settled(lane, item, outcome);
      },
    });
    this.#running.set(lane, command);
  }

  cancelAll(because: string): void {
    for (const command of this.#running.values()) command.abort("cancelled", because);
  }

  /** Stops all; resolves when they are gone. */
  async close(): Promise<void> {
    this.cancelAll("the run has ended");
    await Promise.all(Array.from(this.#running.values(), (command) => command.over));
  }
}
