/**
 * Owns the shapes of what the gateway tells of executors and hand-outs, as far as the page shows them.
 * Must not know how it is asked.
 * Invariant: types only.
 */
import type { ExecutorShown, RunShown } from "./words.ts";

/** An executor of a list. */
export interface ExecutorTold {
  readonly id: string;
  readonly state: ExecutorShown;
  readonly lastSeenAt: string;
  readonly groups?: readonly string[];
  readonly outrider?: string;
  readonly runtime?: string;
  readonly run?: { readonly id: string; readonly pipeline: string; readonly state: string };
  readonly rival?: boolean;
}

/** The fleet, and a part of its list. */
export interface OverviewTold {
  readonly total: number;
  readonly counts: Readonly<Record<ExecutorShown, number>>;
  readonly runs: Readonly<Record<Exclude<RunShown, "lost">, number>>;
  readonly matching: number;
  readonly offset: number;
  readonly executors: readonly ExecutorTold[];
}

/** What was handed in. */
export interface HandoutTold {
  readonly id: string;
  readonly to: string;
  readonly executor?: string;
  readonly pipeline?: string;
  readonly hash: string;
  readonly at: string;
  readonly state: string;
  readonly run?: string;
  readonly because?: string;
}

/** One executor, with its queue. */
export interface ExecutorQueueTold {
  readonly executor?: {
    readonly id: string;
    readonly state: ExecutorShown;
    readonly firstSeenAt: string;
    readonly lastSeenAt: string;
    readonly heartbeat?: {
      readonly outrider: string;
      readonly runtime: string;
      readonly groups?: readonly string[];
      readonly experiment?: string;
      readonly quiet?: boolean;
      readonly run?: {
        readonly id: string;
        readonly pipeline: string;
        readonly state: string;
        readonly names: readonly string[];
      };
      readonly timetable?: { readonly pipeline: string; readonly next?: number };
      readonly spool: { readonly state: number; readonly log: number };
      readonly load?: { readonly cpu?: number; readonly memoryBytes?: number };
    };
    readonly rival?: object;
  };
  readonly handouts: readonly HandoutTold[];
}

/** What became of a bundle that was handed in. */
export interface SubmittedTold {
  readonly id?: string;
  readonly to: string;
  readonly before?: number;
  readonly executors?: number;
  readonly replaced?: readonly string[];
}
