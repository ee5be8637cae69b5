/**
 * Owns how text for a person is brought into a width: lines are broken between words, and stay as far in as they were.
 * Must not know what the text is about.
 * Invariant: no word is broken or lost; a line is wider than the width only where a single word is.
 */
import { pad, width } from "./measures.ts";

/** Least columns for what a thing means, beside its name; with fewer it stands below. */
const MIN_BESIDE = 30;

/** How much further in a line goes on; how far in a meaning stands that is below its name. */
const BELOW = 4, INDENT_BELOW = 8;

/** Names with their meanings beside them, or below where there is no room. */
export function tabled(rows: readonly (readonly [name: string, meaning: string])[], columns: number): string {
  // A name that is much wider than the others does not push all meanings to the right.
  const widest = Math.max(0, ...rows.map(([name]) => width(name)).filter((each) => each <= columns / 3));
  const at = columns - widest - 2 >= MIN_BESIDE ? widest + 2 : undefined;
  return rows.map(([name, meaning]) => {
    const indent = at ?? INDENT_BELOW;
    const beside = at !== undefined && width(name) + 2 <= at;
    return beside
      ? hanging(pad(name, indent), meaning, columns, indent)
      : [name, hanging(" ".repeat(indent), meaning, columns, indent)].join("\n");
  }).join("\n");
}

/** Lines that are too wide are broken: what has two columns stays in them, all else goes on a little further in. */
export function fold(text: string, columns: number): string {
  return text.split("\n").map((line) => folded(line, columns)).join("\n");
}

function folded(line: string, columns: number): string {
  if (width(line) <= columns) return line;
  const indent = indentOf(line);
  const further = indent === 0 ? 0 : indent + BELOW;
  const [, before, name, meaning] = /^((\s+\S.*?)\s{2,})(\S.*)$/.exec(line) ?? [];
  if (before === undefined) return hanging(" ".repeat(indent), line.trim(), columns, further);
  // The rows around it say how wide the first column is.
  const beside = width(before);
  if (columns - beside >= MIN_BESIDE) return hanging(before, meaning!, columns, beside);
  return [folded(name!, columns), hanging(" ".repeat(further), meaning!, columns, further)].join("\n");
}

/** A text behind what stands before it on its line; where it goes on, it does so far in. */
function hanging(before: string, text: string, columns: number, indent: number): string {
  const lines = [before];
  let empty = true;
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    const line = empty ? `${last}${word}` : `${last} ${word}`;
    if (empty || width(line) <= columns) lines[lines.length - 1] = line;
    else lines.push(`${" ".repeat(indent)}${word}`);
    empty = false;
  }
  return lines.join("\n");
}

function indentOf(line: string): number {
  return /^ */.exec(line)![0].length;
}
