/**
 * Owns how wide texts are on the terminal, and how they are brought to a width; how amounts are written.
 * Must not know what they say.
 */
import widthOf from "fast-string-truncated-width";

/** All of it one column wide, as are the marks of our own lines: what measures the rest takes 2 ms to begin. */
const PLAIN = /^[\x20-\x7e✓✗−↻│·…]*$/;

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

/** The text brought to a width by leaving out its middle: names often differ in their ends. */
export function squeezed(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  const characters = [...text];
  const end: string[] = [];
  while (characters.length > 0 && width(end.join("") + characters.at(-1)!) <= Math.floor((columns - 1) / 2)) {
    end.unshift(characters.pop()!);
  }
  const tail = end.join("");
  return `${fit(text, columns - width(tail))}${tail}`;
}

/** Colour codes, and characters one by one. */
const PIECES = /\x1b\[[0-9;]*m|[^]/gu;

/** An amount of bytes, to three digits or so: `115.3 MB`. */
export function amount(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const [size, unit] = bytes < 1_000_000 ? [bytes / 1_000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${size.toFixed(1)} ${unit}`;
}
