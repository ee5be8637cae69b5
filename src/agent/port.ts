/**
 * Owns what the agent asks of the outside. Types only.
 * Must not know which runtime or gateway is behind it.
 * Invariant: everything that takes time or can fail is in here, so that a test can be the world.
 */
import type { Admit } from "./admission.ts";
import type { EnvironmentsPort } from "./renewal.ts";
import type { AgentEndPoint, AgentView } from "./serving.ts";
import type { InnerOptions, InspectedExecution } from "../run/inspection.ts";
import type { Source } from "../pipeline/load/load.ts";
import type { PlanRequires } from "../pipeline/plan/plan.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { StateDir } from "../run/kept/state_dir.ts";
import type { Gateway } from "../uplink/gateway.ts";
import type { OpenFile } from "../runtime/port.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";

/** The world of an agent. */
export interface AgentPort {
  readonly clock: Clock;
  readonly random: Random;
  /** An id that nothing else has, anywhere. */
  newId(): string;
  /** `undefined` where there is none. */
  readonly gateway: Gateway | undefined;
  /** `undefined` where nothing is kept. */
  readonly state: StateDir | undefined;
  /** Name and version, such as `deno 2.9.6`. */
  readonly runtime: string;
  /** Version of Outrider. */
  readonly version: string;
  /** Logical cores, at least 1. */
  readonly cores: number;
  /** Opens the end point; one that is off is there too, and answers nobody. */
  serve(view: AgentView): Promise<AgentEndPoint>;
  /** The pipeline that came with the device's environment. Default: none did. */
  readonly carried?: { readonly text: string };
  startRun(source: Source, options: InnerOptions): InspectedExecution;
  /** Whether there is a file. */
  exists(path: string): Promise<boolean>;
  readText(path: string): Promise<string>;
  /** Opens a file that a run has kept. */
  openFile(path: string, how: "read"): Promise<OpenFile>;
  /** Resident memory, bytes. */
  memoryBytes(): number | undefined;
  /** Time that the processors have spent on this process, milliseconds. */
  cpuMs(): number;
  /** Tells a person, in words. */
  note(text: string): void;
  /** A run has begun: shows it, without what is secret, until the returned function is called. */
  show(execution: InspectedExecution, redactor: Redactor): () => void;
  /** Takes secrets out of what an earlier process left to be told. Default: there are none. */
  readonly redactor?: Redactor;
  /** What the environment of the device requires, for every run. Default: nothing. */
  readonly requires?: PlanRequires;
  /** Takes a pipeline, however it came, or rejects with why not. Default: all are taken. */
  readonly admit?: Admit;
  /** Fetches other environments onto this device. Default: there is no place for them. */
  readonly environments?: EnvironmentsPort;
  /** Why the process before this one ended, if a supervisor knows. */
  readonly lastEnd: string | undefined;
}

/** An agent at work. */
export interface Agent {
  /** Resolves to the exit code; rejects with what kept it from working. */
  readonly ended: Promise<number>;
  /**
   * Asks it to end. First: nothing new starts, running tasks get their grace, then the report gets the same. Again: at once.
   *
   * @param exitCode What a run that is cancelled by this ends with. Default 1.
   */
  stop(because: string, exitCode?: number): void;
}
