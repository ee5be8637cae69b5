/**
 * Owns what the uplink asks of the world: a `fetch`, and records that bear numbers. Types only.
 * Must not know what a record holds, where it is kept, or which gateway it goes to.
 * Invariant: the uplink has no timer, socket or randomness of its own; everything comes through these and the clock.
 */

/** `globalThis.fetch` fits as it is, and so does a Hono app's `request`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A record as the uplink sees it. It is sent as its JSON, unread. */
export interface Numbered {
  readonly seq: number;
  /** On a gap record: it stands for the `count` records before it too. */
  readonly dropped?: { readonly count: number };
}

/** What is read of a journal. The journal's own port fits as it is. */
export interface RecordSource {
  /** State records with a number above `after`, oldest first, at most `limit`. */
  states(after: number, limit: number): readonly Numbered[];
  /** Log records with a number above `after`, oldest first, at most `limit`. */
  logs(after: number, limit: number): readonly Numbered[];
  /** Tells of every record from now on, until the returned function is called. */
  watch(watcher: {
    state?(record: Numbered): void;
    log?(record: Numbered): void;
  }): () => void;
  /** Resolves when everything appended so far is durable. Nothing is sent before: a number that was sent may never be given again. */
  flush?(): Promise<void>;
}
