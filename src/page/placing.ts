/**
 * Owns getting a graph placed: at once in plain layers, and better by the worker where that is worth it.
 * Must not know how it is drawn.
 * Invariant: the page never waits for a layout.
 */
import { type Direction, type Placed, placeInLayers, type Sketch, worthPlacing } from "./place.ts";

/** What the worker is sent. */
export interface PlaceRequest {
  readonly sketch: Sketch;
  readonly direction: Direction;
}

/** Longest time that the worker gets, milliseconds. */
const LIMIT_MS = 60_000;

/** Places a sketch: calls `take` at once, and again when the library's layout is there. Returns how to stop. */
export function place(
  sketch: Sketch,
  { direction, code, take }: {
    readonly direction: Direction;
    /** The program of place_worker.ts. */
    readonly code: string;
    readonly take: (placed: Placed, final: boolean) => void;
  },
): () => void {
  const worth = worthPlacing(sketch) && code !== "" && sketch.widths.length > 0;
  const first = placeInLayers(sketch, direction);
  take(first, !worth);
  if (!worth) return () => {};
  let stop = () => {};
  // A task of its own: thousands of tasks take a while to be handed over.
  const begin = setTimeout(() =>
    stop = placeInWorker({ sketch, direction }, code, { take: (placed = first) => take(placed, true) })
  );
  return () => {
    clearTimeout(begin);
    stop();
  };
}

/** @param take Gets nothing where the library could not do it. */
function placeInWorker(
  request: PlaceRequest,
  code: string,
  { take }: { readonly take: (placed?: Placed) => void },
): () => void {
  let worker: Worker;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    worker = new Worker(url);
  } catch {
    // No workers here, as in a file that is shown by some mail programs: the plain arrangement stays.
    URL.revokeObjectURL(url);
    take();
    return () => {};
  }
  const stop = () => {
    clearTimeout(limit);
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  const limit = setTimeout(() => {
    stop();
    take();
  }, LIMIT_MS);
  worker.onmessage = ({ data }: MessageEvent<Placed>) => {
    stop();
    take(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    stop();
    take();
  };
  worker.postMessage(request);
  return stop;
}
