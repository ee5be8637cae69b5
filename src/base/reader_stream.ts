/**
 * Owns the body of an answer that goes on: texts, or bytes, for one reader, who may read nothing, and what all readers together may
 * keep in memory.
 * Must not know what is told, nor how it is asked for.
 * Invariant: a stream goes no faster than it is read and holds one text at a time. It is over once, and `over` is called
 * once, whatever happens to it: its texts end or fail, its reader goes, its reader takes nothing for `stallMs`, or nobody
 * ever reads it.
 */
import type { Bytes } from "./bytes.ts";
import type { Clock } from "./clock.ts";

/** Characters after which a page of texts is full; one record alone may have more. */
export const PAGE_SIZE: number = 64 * 1024;

/** Why a reader may hear nothing more, as the reason of a signal. It sees its connection broken off, and not all as told. */
export class CutOff {
  readonly words: string;

  /** @param words For the operator: runtimes print them. */
  constructor(words: string) {
    this.words = words;
  }
}

/** What a stream is made of. */
export interface ReaderStreamOptions {
  /** What is told; between two texts it may wait. Bytes leave as they are. It is returned when the stream is over. */
  readonly texts: AsyncGenerator<string | Bytes, void, undefined>;
  /** The longest time that a reader takes nothing, milliseconds. */
  readonly stallMs: number;
  readonly clock: Pick<Clock, "after">;
  /** Aborted when the reader has gone, where the server tells, or is cut off ({@linkcode CutOff}). */
  readonly signal: AbortSignal;
  /** Called when the stream is over; it must end what `texts` waits for. */
  readonly over: () => void;
  /** Told why the texts failed. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/** The body of an answer. A reader that stalls, and one whose texts fail, sees its connection broken off. */
export function readerStream(options: ReaderStreamOptions): ReadableStream<Bytes> {
  const { texts, stallMs, clock, signal, over, failed } = options;
  const encoder = new TextEncoder();
  let rest: string | Bytes = "";
  let ended = false;
  let calm = () => {};
  let gone = () => {};
  const end = () => {
    if (ended) return;
    ended = true;
    rest = "";
    calm();
    signal.removeEventListener("abort", gone);
    over();
    texts.return().catch(() => {});
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    calm = clock.after(stallMs, () => {
      end();
      // Runtimes print the reason as it is: it is for the operator.
      controller.error(`A reader took nothing for ${stallMs / 1000} s: its connection was broken off`);
    });
  };
  return new ReadableStream({
    start(controller) {
      watch(controller);
      gone = () => {
        end();
        if (signal.reason instanceof CutOff) controller.error(signal.reason.words);
      };
      signal.addEventListener("abort", gone);
      if (signal.aborted) gone();
    },
    async pull(controller) {
      calm();
      try {
        while (rest.length === 0 && !ended) {
          const next = await texts.next();
          if (next.done) end();
          else rest = next.value;
        }
        if (ended) return controller.close();
      } catch (error) {
        if (ended) return;
        end();
        failed?.(error);
        return controller.error("What a reader was told could not be read on: its connection was broken off");
      }
      const slice = typeof rest === "string" ? startOf(rest) : rest;
      rest = rest.slice(slice.length);
      watch(controller);
      controller.enqueue(typeof slice === "string" ? encoder.encode(slice) : slice);
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/** Small pieces joined to pages, so that each one that leaves is worth its way. */
export async function* gathered(pieces: Iterable<string>): AsyncGenerator<string, void, undefined> {
  let text = "";
  for (const piece of pieces) {
    text += piece;
    if (text.length < PAGE_SIZE) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}

/** At most `PAGE_SIZE` characters from the start of a text, and no half of one. */
function startOf(text: string): string {
  if (text.length <= PAGE_SIZE) return text;
  const last = text.charCodeAt(PAGE_SIZE - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? PAGE_SIZE - 1 : PAGE_SIZE);
}

/**
 * What readers may hold of texts that are larger than a page. Who finds it full waits until others have read theirs, or
 * have been let go for reading nothing; a text that is larger than all of it is held alone.
 */
export class Room {
  readonly #size: number;
  #held = 0;
  #waiting: (() => void)[] = [];

  /** @param size Characters held at the same time. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Characters held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * What `make` makes, once there is room for it: the text is made, dropped if there is no room, and made anew when there is.
   *
   * @param make Makes the same text, or a later one, each time. It is called again after a wait.
   * @returns What was made, and what is to be called when it has been read; nothing where the signal was aborted.
   */
  async hold<T extends { readonly text: string }>(
    make: () => T | Promise<T>,
    signal: AbortSignal,
  ): Promise<{ readonly made: T; readonly leave: () => void } | undefined> {
    while (!signal.aborted) {
      const made = await make();
      const size = made.text.length;
      if (size <= 2 * PAGE_SIZE) return { made, leave: () => {} };
      if (this.#held === 0 || this.#held + size <= this.#size) {
        const leave = this.#take(size);
        this.#wakeNext();
        return { made, leave };
      }
      await this.#freed(signal);
    }
    this.#wakeNext();
    return undefined;
  }

  #take(size: number): () => void {
    this.#held += size;
    return () => {
      this.#held -= size;
      this.#wakeNext();
    };
  }

  /** One at a time: who has been woken and goes on, or goes away, wakes the next. */
  #wakeNext(): void {
    this.#waiting.shift()?.();
  }

  #freed(signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        this.#waiting = this.#waiting.filter((other) => other !== wake);
        done();
      };
      signal.addEventListener("abort", wake);
      this.#waiting.push(wake);
    });
  }
}
