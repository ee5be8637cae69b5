/**
 * Owns reading NDJSON in slices, so that no reading holds up the page.
 * Must not know what the lines say.
 * Invariant: between two slices the page may paint and answer to input; a line that comes in parts is put together.
 */

/** Longest time that lines are read without a pause, milliseconds. */
const SLICE_MS = 10;

/** Lets the page do what has waited. */
export function pause(): Promise<void> {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(0);
  });
}

/** Says when it is time to pause. */
export class Slice {
  #until: number = performance.now() + SLICE_MS;

  /** Pauses if the slice is used up. */
  async over(): Promise<void> {
    if (performance.now() < this.#until) return;
    await pause();
    this.#until = performance.now() + SLICE_MS;
  }
}

/** Reads lines until the stream ends. @throws When the stream breaks off, or a line is no JSON. */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  tell: (line: unknown) => void,
): Promise<void> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const slice = new Slice();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const text = rest + (done ? "" : decoder.decode(value, { stream: true }));
    rest = await tellWhole(text, slice, tell);
    if (done) return;
  }
}

/** Tells all lines of a text that are whole; returns what follows them. */
export async function tellWhole(text: string, slice: Slice, tell: (line: unknown) => void): Promise<string> {
  let from = 0;
  for (let end = text.indexOf("\n", from); end >= 0; end = text.indexOf("\n", from)) {
    if (end > from) tell(JSON.parse(text.slice(from, end)));
    from = end + 1;
    await slice.over();
  }
  return text.slice(from);
}
