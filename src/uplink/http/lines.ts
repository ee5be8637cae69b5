/**
 * Owns taking a stream apart into lines.
 * Must not know what a line holds.
 * Invariant: at most one line and one chunk are held, and a stream that falls silent is given up.
 */
import { GatewayAnswerError, GatewayTimeoutError, StoppedError, UnreachableError } from "../errors.ts";
import type { Clock } from "../../base/clock.ts";

/** Limits of reading. */
export interface LinesOptions {
  readonly clock: Clock;
  /** Longest silence, milliseconds. */
  readonly idleMs: number;
  readonly signal?: AbortSignal;
}

/** Longest line, characters. */
const MAX_LINE = 128 * 1024 * 1024;

/**
 * The lines of a stream, without the empty ones.
 *
 * @throws {GatewayTimeoutError} If nothing comes for `idleMs`.
 * @throws {UnreachableError} If the connection breaks.
 */
export async function* linesOf(
  stream: ReadableStream<Uint8Array>,
  options: LinesOptions,
): AsyncGenerator<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const part = await within(reader.read(), options);
      rest += part.done ? decoder.decode() : decoder.decode(part.value, { stream: true });
      const lines = rest.split("\n");
      rest = part.done ? "" : lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") yield line;
      if (part.done) return;
      if (rest.length > MAX_LINE) {
        throw new GatewayAnswerError(`A line of the gateway's answer is longer than ${MAX_LINE} characters`);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function within<T>(reading: Promise<T>, { clock, idleMs, signal }: LinesOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(idleMs, () => {
      const seconds = idleMs / 1000;
      reject(
        new GatewayTimeoutError(`Nothing has come from the gateway for ${seconds} s: the connection is dead`),
      );
    });
    const stopped = () => {
      cancel();
      reject(new StoppedError("Stopped while reading from the gateway"));
    };
    if (signal?.aborted) return stopped();
    signal?.addEventListener("abort", stopped, { once: true });
    reading.then(resolve, (cause) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      reject(new UnreachableError(`The connection to the gateway broke: ${message}`, { cause }));
    }).finally(() => {
      cancel();
      signal?.removeEventListener("abort", stopped);
    });
  });
}
