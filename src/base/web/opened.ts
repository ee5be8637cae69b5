/**
 * Owns how many answers may be held or go on at the same time, and how much text may wait for their readers.
 * Must not know what they tell.
 * Invariant: a place is counted off once, however often it is given back.
 */
import type { Bytes } from "../bytes.ts";
import { systemClock } from "../clock.ts";
import { readerStream, type ReaderStreamOptions, Room } from "../reader_stream.ts";
import { Refuse } from "./refuse.ts";

/** How much a server holds open. */
export interface OpenedOptions {
  /** Most answers at the same time. */
  readonly most: number;
  /** Characters of texts larger than a page that all readers together may have waiting for them. */
  readonly roomSize: number;
  /** What is said of answers that have every place. Default: they are open already. */
  readonly already?: string;
}

/** Keeps count of the answers that are held or go on, and of what their readers have not taken yet. */
export class Opened {
  readonly room: Room;
  readonly #options: OpenedOptions;
  #count = 0;
  readonly #idle: Set<() => void> = new Set();

  constructor(options: OpenedOptions) {
    this.#options = options;
    this.room = new Room(options.roomSize);
  }

  get count(): number {
    return this.#count;
  }

  /** Counts one more; the returned function, called once or more, counts it off. @throws {Refuse} 503 at the limit. */
  open(): () => void {
    const { most, already = "are open already" } = this.#options;
    if (this.#count >= most) {
      throw new Refuse(503, "TOO_MANY_OPEN", {
        message: `${most} answers ${already}: close some, or ask again later`,
        headers: { "retry-after": "5" },
      });
    }
    this.#count++;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#count === 0) { for (const tell of this.#idle) tell(); }
    };
  }

  /** Resolves when none is open, or after `ms`. */
  idle(ms: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((done) => {
      const tell = () => {
        cancel();
        this.#idle.delete(tell);
        done();
      };
      const cancel = systemClock.after(ms, tell);
      this.#idle.add(tell);
    });
  }
}

/** What an answer that goes on is made of. */
export interface GoesOnOptions extends Omit<ReaderStreamOptions, "texts" | "over"> {
  readonly opened: Opened;
  /** Texts or bytes to come; between two of them it may wait. */
  readonly texts: (gone: AbortSignal) => AsyncGenerator<string | Bytes, void, undefined>;
  /** Called at once, before anything is read; what it returns is called when the answer is over. */
  readonly listen?: (() => () => void) | undefined;
}

/** The body of an answer that goes on until its texts end or its reader goes. It has one of the places that there are. */
export function goesOn(
  { opened, texts, listen, ...stream }: GoesOnOptions,
): ReadableStream<Bytes> {
  const close = opened.open();
  const gone = new AbortController();
  let stop: (() => void) | undefined;
  const over = () => {
    gone.abort();
    close();
    stop?.();
  };
  try {
    stop = listen?.();
    return readerStream({ ...stream, texts: texts(gone.signal), over });
  } catch (error) {
    over();
    throw error;
  }
}
