/**
 * Owns how a page asks who serves it: what a refusal is, and streams of lines that are followed while the page is seen.
 * Must not know what is asked for, nor by which token.
 * Invariant: while the page is not seen, no connection is held; what was missed is asked for from where it was.
 */
import { readLines } from "./lines.ts";

/** Pause before a stream that ended is asked for again, milliseconds. */
const PAUSE_MS = 500;

/** It answered, with something other than what was asked for. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, { code, message }: { readonly code: string; readonly message: string }) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** An answer that is what was asked for. @throws {Refused} If it is none. */
export async function granted(response: Response): Promise<Response> {
  if (response.ok) return response;
  const told = await response.json().catch(() => ({})) as { error?: { code: string; message: string } };
  throw new Refused(response.status, told.error ?? { code: "", message: `It answered ${response.status}` });
}

/** A stream of lines. */
export interface Followed {
  readonly path: () => string;
  readonly ask: (path: string, signal: AbortSignal) => Promise<Response>;
  readonly tell: (line: unknown) => void;
  /** Whether all has been told once the stream ends. */
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
}

/** Follows a stream of lines, over and over, until the signal is aborted or the run is over and all is told. */
export async function followLines({ path, ask, tell, isOver, signal }: Followed): Promise<void> {
  while (!signal.aborted) {
    await seen();
    const hidden = whenHidden(signal);
    try {
      const response = await ask(path(), hidden.signal);
      await readLines(response.body!, (line) => {
        if (!signal.aborted) tell(line);
      });
      if (isOver()) return;
    } catch {
      // Away, or not seen: asked again below, from where it was.
    } finally {
      hidden.close();
    }
    await lull(PAUSE_MS, signal);
  }
}

/** Waits, or until the signal is aborted. */
export function lull(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      done();
    };
    const timer = setTimeout(over, ms);
    if (signal.aborted) return over();
    signal.addEventListener("abort", over);
  });
}

/** Resolves while the page is seen. A browser holds six connections to a host, for all its tabs. */
export function seen(): Promise<void> {
  return new Promise((done) => {
    if (!document.hidden) return done();
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      done();
    };
    document.addEventListener("visibilitychange", look);
  });
}

/** A signal that is aborted with another one, or when the page is not seen any more. */
function whenHidden(signal: AbortSignal): { readonly signal: AbortSignal; close(): void } {
  const hidden = new AbortController();
  const look = () => document.hidden && hidden.abort();
  document.addEventListener("visibilitychange", look);
  return {
    signal: AbortSignal.any([signal, hidden.signal]),
    close: () => document.removeEventListener("visibilitychange", look),
  };
}
