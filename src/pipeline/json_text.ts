/**
 * Owns the reading of JSON that a person wrote: where it is broken, and which keys are there twice.
 * Must not know what the JSON means.
 * Invariant: it accepts exactly what `JSON.parse` accepts, but for a byte order mark (skipped) and duplicate keys (told).
 */
import { placeOf, type Problem } from "./problem.ts";

/** What a text holds, or what is wrong with it. */
export interface JsonReading {
  readonly value?: unknown;
  readonly problems: readonly Problem[];
}

/** Reads JSON. @param name The file, for the place of a problem. */
export function readJson(source: string, name: string): JsonReading {
  const text = source.startsWith("\uFEFF") ? source.slice(1) : source;
  if (text.trim() === "") return broken(name, "The file is empty: a pipeline is written as a JSON object");
  const problems: Problem[] = [];
  const error = scan(text, problems);
  if (error !== undefined) {
    const { line, column } = position(text, error.at);
    return broken(name, `Not JSON: ${error.message} at line ${line}, column ${column}`);
  }
  return { value: JSON.parse(text), problems };
}

function broken(place: string, message: string): JsonReading {
  return { problems: [{ place, message }] };
}

/** Line and column of an offset, both from 1. */
function position(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split(/\r\n|\r|\n/);
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** Marks, and the words and numbers of JSON; strings are found by hand, since no regular expression bears one of 8 MB. */
const TOKEN =
  /[ \t\r\n]*(?:([{}\[\],:])|(")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-]))/y;

/** The first error of a text. */
interface Fault {
  readonly at: number;
  readonly message: string;
}

interface Level {
  /** Keys so far; absent for an array. */
  readonly keys?: Set<string>;
  /** The key or index of the value that is being read. */
  at: string | number;
}

/** What may come next: `v`alue, `k`ey, `:`, `,` or end of the level; capital where the level may also end at once. */
type Expected = "v" | "V" | "k" | "K" | ":" | "," | "end";

const WORDS: Readonly<Record<Expected, string>> = {
  v: "a value",
  V: 'a value or "]"',
  k: "a key in double quotes",
  K: 'a key in double quotes or "}"',
  ":": '":"',
  ",": '","',
  end: "the end",
};

/** Walks over the tokens; finds the first error and all duplicate keys. */
function scan(text: string, problems: Problem[]): Fault | undefined {
  const levels: Level[] = [];
  let expected: Expected = "v";
  TOKEN.lastIndex = 0;
  for (;;) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) return atEnd(text, start, expected) ? undefined : fault(text, start, expected);
    let quoted: string | undefined;
    if (match[2] !== undefined) {
      const end = endOfString(text, TOKEN.lastIndex);
      if (typeof end !== "number") return end;
      quoted = text.slice(TOKEN.lastIndex - 1, end);
      TOKEN.lastIndex = end;
    }
    const next = step({ levels, expected, mark: match[1], quoted, problems });
    if (next === undefined) return fault(text, start, expected);
    expected = next;
  }
}

/** The offset after the closing quote of a string whose inside starts at `from`. */
function endOfString(text: string, from: number): number | Fault {
  for (let at = from;; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (Number.isNaN(code)) {
      return { at: from - 1, message: "The string that starts here has no closing quote," };
    }
    if (code < 0x20) return { at, message: "Found a line break or control character in a string" };
    if (code !== 0x5c) continue;
    if (!/^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(at + 1, at + 6))) {
      return {
        at,
        message: `Expected an escape such as \\n or \\\\, found ${JSON.stringify(text.slice(at, at + 2))}`,
      };
    }
    at++;
  }
}

function atEnd(text: string, start: number, expected: Expected): boolean {
  return expected === "end" && /^[ \t\r\n]*$/.test(text.slice(start));
}

/** A token, and the state before it. */
interface Step {
  readonly levels: Level[];
  readonly expected: Expected;
  readonly mark: string | undefined;
  /** The token if it is a string, with its quotes. */
  readonly quoted: string | undefined;
  readonly problems: Problem[];
}

/** The state after a token; `undefined` if the token can't stand here. */
function step({ levels, expected, mark, quoted, problems }: Step): Expected | undefined {
  const level = levels[levels.length - 1];
  switch (expected) {
    case "K":
    case "k":
      if (mark === "}" && expected === "K") return close(levels);
      return quoted === undefined ? undefined : addKey(levels, JSON.parse(quoted) as string, problems);
    case ":":
      return mark === ":" ? "v" : undefined;
    case ",":
      if (mark === (level!.keys === undefined ? "]" : "}")) return close(levels);
      if (mark !== ",") return undefined;
      if (level!.keys !== undefined) return "k";
      level!.at = (level!.at as number) + 1;
      return "v";
    case "end":
      return undefined;
    default:
      if (mark === "]" && expected === "V") return close(levels);
      if (mark === "{") return levels.push({ keys: new Set(), at: "" }), "K";
      if (mark === "[") return levels.push({ at: 0 }), "V";
      return mark === undefined ? after(levels) : undefined;
  }
}

function close(levels: Level[]): Expected {
  levels.pop();
  return after(levels);
}

function after(levels: readonly Level[]): Expected {
  return levels.length === 0 ? "end" : ",";
}

function addKey(levels: readonly Level[], key: string, problems: Problem[]): Expected {
  const level = levels[levels.length - 1]!;
  level.at = key;
  if (level.keys!.has(key)) {
    const place = levels.reduce((parent, { at }) => placeOf(parent, at), "");
    problems.push({
      place,
      message: `Duplicate: the key ${JSON.stringify(key)} is there twice, so one would be lost`,
    });
  }
  level.keys!.add(key);
  return ":";
}

function fault(text: string, start: number, expected: Expected): Fault {
  const at = start + /^[ \t\r\n]*/.exec(text.slice(start, start + 100_000))![0].length;
  const wanted = expected === "," ? '"," or the closing bracket' : WORDS[expected];
  if (at >= text.length) return { at, message: `The text ends where ${wanted} should be` };
  const found = text.slice(at, at + 20).split(/[\s,\]}]/)[0] || text[at]!;
  if (/^[}\]]/.test(text.slice(at)) && /,[ \t\r\n]*$/.test(text.slice(Math.max(0, at - 1000), at))) {
    return { at, message: `Found a comma before ${JSON.stringify(text[at])}: remove it` };
  }
  if (found.startsWith("//") || found.startsWith("/*")) {
    return { at, message: "Comments are not allowed in JSON: found one" };
  }
  return { at, message: `Expected ${wanted}, found ${JSON.stringify(found)}` };
}
