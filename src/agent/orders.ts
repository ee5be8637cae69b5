/**
 * Owns what the gateway has asked of the agent and holds from then on: a pause, a level of the log, hand-outs withdrawn,
 * another environment, a timetable.
 * Must not know how it came here.
 * Invariant: an instruction about one run never touches another; a pause outlives the process.
 */
import type { Level } from "../model/record.ts";
import type { Instruction } from "../protocol/messages.ts";
import type { AgentPort } from "./port.ts";
import { Renewal } from "./renewal.ts";
import type { AgentRun } from "./run.ts";
import { Timekeeper } from "./timekeeper.ts";

/** Hand-outs that were withdrawn and may yet arrive are remembered, the newest so many. */
const MAX_WITHDRAWN = 100;

/** Whom orders are about. */
export interface OrdersOptions {
  readonly port: AgentPort;
  /** Id of this executor, if it has one. */
  readonly executor: string | undefined;
  readonly level: Level;
  /** The run that goes on. */
  readonly run: () => AgentRun | undefined;
  /** Asks the agent to end. */
  readonly stop: (because: string) => void;
  /** Something changed that the gateway is to hear. */
  readonly changed: () => void;
  /** An environment that was asked for is here, and waits for its trial. */
  readonly environmentWaits: () => void;
  /** A pause begins or ends: who keeps silent would never be told to go on. */
  readonly paused: (on: boolean) => void;
}

/** What holds for the runs of an agent. */
export class Orders {
  /** The environment that is asked for. */
  readonly renewal: Renewal;
  /** The timetable that is kept to. */
  readonly keeper: Timekeeper;
  readonly #options: OrdersOptions;
  /** Not known until the gateway or what is kept has said so. */
  #paused: boolean | undefined;
  #level: Level;
  /** Tags of hand-outs that are not to be run, and why. */
  readonly #withdrawn: Map<string, string> = new Map();

  constructor(options: OrdersOptions) {
    const { port, executor, changed, environmentWaits } = this.#options = options;
    this.keeper = new Timekeeper({ port, executor, paused: () => this.paused, changed });
    const { environments, clock, random } = port;
    const note = (text: string) => port.note(text);
    this.renewal = new Renewal({ port: environments, clock, random, note, changed, waits: environmentWaits });
    this.#level = options.level;
  }

  get paused(): boolean {
    return this.#paused === true;
  }

  /** Least level of log records that are kept. */
  get level(): Level {
    return this.#level;
  }

  /** Goes on as an earlier process was told to, unless the gateway has said otherwise meanwhile. */
  remember(): void {
    const { port, paused } = this.#options;
    if (this.#paused !== undefined) return;
    this.#paused = port.state?.paused === true;
    if (!this.#paused) return;
    paused(true);
    port.note(
      "Paused, as before it was started anew: nothing new starts until the gateway resumes it",
    );
  }

  /** A run begins: what holds already is about it too. */
  apply(run: AgentRun): void {
    if (this.#paused) run.pause();
    const withdrawn = run.handout === undefined ? undefined : this.#withdrawn.get(run.handout);
    if (withdrawn !== undefined) run.cancel(withdrawn);
  }

  /** @returns What resolves when it outlives this process, where it has to. */
  obey(instruction: Instruction): void | Promise<void> {
    const run = this.#options.run();
    switch (instruction.type) {
      case "cancel":
        if (instruction.run === run?.id) run.cancel(instruction.because ?? "cancelled at the gateway");
        break;
      case "stop":
        this.#options.stop(instruction.because ?? "stopped at the gateway");
        break;
      case "withdraw":
        return this.#withdraw(instruction.handout, instruction.because ?? "withdrawn at the gateway");
      case "pause":
        run?.pause();
        return this.#pause(true);
      case "resume":
        run?.resume();
        return this.#pause(false);
      case "logLevel":
        this.#level = instruction.level;
        break;
      case "environment":
        this.renewal.renew(instruction.reference);
    }
  }

  /** It may be running, or still on its way here; its timetable would be kept to by the next process. */
  #withdraw(handout: string, because: string): Promise<void> | undefined {
    const run = this.#options.run();
    const ended = this.keeper.kept?.tag === handout ? this.keeper.end("it was withdrawn") : undefined;
    if (run?.handout === handout) {
      run.cancel(because);
      return ended;
    }
    this.#withdrawn.set(handout, because);
    const [oldest] = this.#withdrawn.keys();
    if (this.#withdrawn.size > MAX_WITHDRAWN) this.#withdrawn.delete(oldest!);
    return ended;
  }

  /** Kept before the gateway is told that the command was seen, so that it outlives this process. */
  #pause(on: boolean): Promise<void> | undefined {
    this.#paused = on;
    this.#options.paused(on);
    this.keeper.look();
    return this.#options.port.state?.pause(on);
  }
}
