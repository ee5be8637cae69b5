/**
 * Owns how spans of time and lengths are written for a person.
 * Must not know what they measure.
 */
import widthOf from "fast-string-truncated-width";

/** A time span: `35 ms`, `1.2 s`, `2 min 05 s`, `3 h 07 min`. */
export function span(ms: number): string {
  if (ms < 0) return "0 ms";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** A time span that is still growing: `0.3 s`, without a flicker of milliseconds. */
export function growing(ms: number): string {
  return ms < 999.5 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : span(ms);
}

const PLAIN = /^[\x20-\x7e]*$/;

/** How many columns a text takes. */
export function width(text: string): number {
  return PLAIN.test(text) ? text.length : widthOf(text).width;
}

/** The text with spaces up to a width. */
export function pad(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

/** The text cut to a width, with `…` where something is missing; colours are closed. */
export function fit(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  const kept: string[] = [];
  let left = columns - 1;
  for (const piece of text.match(PIECES) ?? []) {
    left -= width(piece);
    if (left < 0) break;
    kept.push(piece);
  }
  const close = text.includes("\x1b") ? "\x1b[0m…" : "…";
  // What is joined may be wider than its parts: a digit and a keycap.
  while (kept.length > 0 && width(kept.join("")) >= columns) kept.pop();
  return kept.join("") + close;
}

/** Colour codes, and characters one by one. */
const PIECES = /\x1b\[[0-9;]*m|[^]/gu;

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** An amount of bytes, to three digits or so: `115.3 MB`. */
export function amount(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const [size, unit] = bytes < 1_000_000 ? [bytes / 1_000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${size.toFixed(1)} ${unit}`;
}
