/**
 * Owns what a gateway passes on to executors and shares with them, wherever they hear of it. Types only.
 * Must not know where that is.
 * Invariant: what a call promises holds when it is fulfilled, also if this gateway ends then.
 */
import type {
  FlagOperation,
  FlagReply,
  NewInstruction,
  SharedFlag,
  Withdrawn,
} from "../../protocol/messages.ts";
import type { Queued } from "../queue.ts";
import type { NewHandout } from "../store.ts";

/** Which flag. */
export interface NamedFlag {
  readonly experiment: string;
  readonly name: string;
}

/** What is passed on and shared. Each call rejects with a `Refuse` where it is refused. */
export interface GatewayDesk {
  /** Asks something of an executor; resolves to the instruction's number. */
  instruct(executor: string, instruction: NewInstruction): Promise<number>;
  /** Hands a bundle to an executor or a group. */
  submit(handout: NewHandout, replace: boolean): Promise<Queued>;
  /** Takes a hand-out back. */
  withdraw(id: string, why: { readonly because: string; readonly at: number }): Promise<Withdrawn>;
  flags(experiment: string): Promise<SharedFlag[]>;
  /** The flag; with `after`, once it has another version or `waitMs` are over. */
  flag(
    named: NamedFlag,
    wait: { readonly after?: number | undefined; readonly waitMs?: number; readonly signal: AbortSignal },
  ): Promise<SharedFlag | undefined>;
  /** Sets it, whatever it was. */
  setFlag(named: NamedFlag, value: unknown): Promise<SharedFlag>;
  /** Does an operation once, however often it comes. */
  changeFlag(named: NamedFlag, operation: FlagOperation): Promise<FlagReply>;
}
