/**
 * Owns the doubt about a worker of which nothing is heard though it has something to do: it is asked what it runs.
 * Must not know how it is asked.
 * Invariant: an attempt that waits to be claimed, or that its worker has let go of, does not wait for ever.
 */

/** When nothing has been heard for this long though attempts are outstanding, the worker is asked, in milliseconds. */
const ASK_MS = 5_000;
/** How long it may then leave an offer unclaimed, in milliseconds. */
const CLAIM_MS = 3_000;

/** How long nothing has changed, and whether the worker was asked why. */
interface Still {
  readonly first: number;
  readonly claimed: boolean;
  /** By the monotonic clock, milliseconds. */
  readonly since: number;
  question: number | undefined;
}

/** What a lane has outstanding: the number of the oldest, and whether it runs. */
export interface Outstanding {
  readonly first: number;
  readonly claimed: boolean;
}

/** What a worker has answered: to which question, and what runs by its own words and by its inbox. */
export interface AnsweredInquiry {
  readonly question: number;
  readonly runs: number;
  readonly current: number | undefined;
}

/** What one worker is asked. */
export class Inquiry {
  #still: Still | undefined;
  #questions = 0;

  /** There is nothing to ask for. */
  rest(): void {
    this.#still = undefined;
  }

  /** Looks whether something has changed; returns the number of a question that is to be put, or what is wrong. */
  look(at: number, { first, claimed }: Outstanding): number | string | undefined {
    if (this.#still?.first !== first || this.#still.claimed !== claimed) {
      this.#still = { first, claimed, since: at, question: undefined };
    }
    const took = at - this.#still.since;
    if (this.#still.question === undefined && took >= ASK_MS) {
      return this.#still.question = ++this.#questions;
    }
    return !claimed && took >= ASK_MS + CLAIM_MS
      ? "it takes no attempts: what an earlier task left behind holds its thread"
      : undefined;
  }

  /** The worker has answered a question; returns what is wrong about that. */
  answered({ question, runs, current }: AnsweredInquiry): string | undefined {
    if (this.#still?.question !== question) return undefined;
    const { first, claimed } = this.#still;
    // It is asked again after a while.
    if (claimed) this.#still = undefined;
    return claimed && runs !== first && current === first
      ? "it has let go of the attempt that runs"
      : undefined;
  }
}
