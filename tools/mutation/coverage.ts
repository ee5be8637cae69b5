/**
 * Owns which test file reaches which place of which source, from what V8 notes while a test file runs.
 * Must not know mutants.
 * Invariant: a place that no test file reaches is reached by none here; inner ranges overrule outer ones.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Report {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly Range[] }[];
  }[];
}

/** For each source of a folder, as its URL: which of its characters were reached. */
export type Reached = Map<string, Uint8Array>;

/** Reads the reports in a folder. @param sources Paths of the sources that count, with their texts. */
export function reached(folder: string, sources: ReadonlyMap<string, string>): Reached {
  const found: Reached = new Map();
  const byUrl = new Map([...sources].map(([path, text]) => [pathToFileURL(path).href, text.length]));
  for (const name of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as Report;
    for (const { url, functions } of result) {
      const length = byUrl.get(url);
      if (length === undefined) continue;
      const mask = maskOf(functions.flatMap(({ ranges }) => ranges), length);
      const before = found.get(url);
      // Several processes and threads: reached is what any of them reached.
      if (before === undefined) found.set(url, mask);
      else for (let at = 0; at < length; at++) before[at] = before[at]! | mask[at]!;
    }
  }
  return found;
}

function maskOf(ranges: readonly Range[], length: number): Uint8Array {
  const mask = new Uint8Array(length);
  const sizeOf = ({ startOffset, endOffset }: Range) => endOffset - startOffset;
  for (const range of [...ranges].sort((a, b) => sizeOf(b) - sizeOf(a))) {
    mask.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset);
  }
  return mask;
}
