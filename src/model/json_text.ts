/**
 * Owns the reading of JSON that comes from outside, whoever wrote it: where it is broken, which keys are there twice, and which
 * numbers would become others.
 * Must not know what the JSON means.
 * Invariant: it accepts exactly what `JSON.parse` accepts, but for a byte order mark (skipped), duplicate keys and numbers that
 * a double can't hold (told) and what is nested too deep (refused).
 */
import { lostIn } from "../base/held.ts";
import { MAX_TEXT_DEPTH } from "../base/limits.ts";
import { keysIn, outlineOf } from "../base/outline.ts";
import { placeOf, type Problem } from "./problem.ts";

/** What is said of a text that is nested too deep. */
export const TOO_DEEP: string = `Is nested more than ${MAX_TEXT_DEPTH} levels deep: make it flatter`;

/** What a text holds, or what is wrong with it. */
export interface JsonReading {
  readonly value?: unknown;
  readonly problems: readonly Problem[];
}

/** A text that is no JSON, or of which something would be lost. */
export class JsonTextError extends Error {
  /** Stable, for programs. */
  readonly code = "OUTRIDER_JSON";
  override name = "JsonTextError";
}

/** How to read. */
export interface JsonOptions {
  /** `left`: a number that a double can't hold is no problem, for who bounds each number and tells of its own. */
  readonly numbers?: "told" | "left";
}

/** Reads JSON. @param name The file, for the place of a problem. */
export function readJson(source: string, name: string, { numbers = "told" }: JsonOptions = {}): JsonReading {
  const text = unmarked(source);
  const sound = readSound(text, numbers);
  if (sound !== undefined) return { value: sound.value, problems: [] };
  if (!/\S/.test(text)) return broken(name, "The file is empty: write JSON");
  const problems: Problem[] = [];
  const error = scan(text, problems, numbers);
  if (error !== undefined) {
    const message = error.message === TOO_DEEP ? TOO_DEEP : `Not JSON: ${error.message}`;
    return broken(name, `${message} ${position(text, error.at)}`);
  }
  return { value: JSON.parse(text), problems };
}

/** A text without the byte order mark at its start. */
export function unmarked(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

/** The value of a JSON text. @throws {JsonTextError} With the first problem, and its place. */
export function jsonValue(text: string, options: JsonOptions = {}): unknown {
  const { value, problems: [problem] } = readJson(text, "", options);
  if (problem === undefined) return value;
  throw new JsonTextError(problem.place === "" ? problem.message : `${problem.place}: ${problem.message}`);
}

/** The value of a JSON text with nothing wrong; `undefined` for any other, where it does not matter what is wrong. */
export function soundJson(text: string): unknown {
  const { value, problems } = readJson(text, "");
  return problems.length === 0 ? value : undefined;
}

/** What `JSON.parse` makes of a text, where that says all there is to say of it. It takes a fraction of the time of a scan. */
function readSound(
  text: string,
  numbers: JsonOptions["numbers"],
): { readonly value: unknown } | undefined {
  const { keys, depth, loses } = outlineOf(text);
  if (depth > MAX_TEXT_DEPTH || loses && numbers === "told") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return keysIn(value) === keys ? { value } : undefined;
  } catch {
    return undefined;
  }
}

function broken(place: string, message: string): JsonReading {
  return { problems: [{ place, message }] };
}

/** Line and column of an offset, both from 1, in words. */
function position(text: string, at: number): string {
  const before = text.slice(0, at).split(/\r\n|\r|\n/);
  return `at line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** The words and numbers of JSON. Strings are found by hand, since no regular expression bears one of 8 MB. */
const LITERAL = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

const QUOTE = 0x22, BACKSLASH = 0x5c, SPACE = 0x20;

/** The first error of a text. */
interface Fault {
  readonly at: number;
  readonly message: string;
}

/** Most problems that are told: a place takes as long to write down as it is deep. */
const MAX_TOLD = 100;

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

/** Walks over the tokens; finds the first error, all duplicate keys, and all numbers that would be changed. */
function scan(text: string, problems: Problem[], numbers: JsonOptions["numbers"]): Fault | undefined {
  const scanner = new Scanner(text, problems, numbers);
  for (let at = 0;;) {
    at = afterSpace(text, at);
    if (at >= text.length) return scanner.expected === "end" ? undefined : fault(text, at, scanner.expected);
    let end = at + 1;
    let fits: boolean;
    if (text.charCodeAt(at) === QUOTE) {
      const found = endOfString(text, end);
      if (typeof found !== "number") return found;
      end = found;
      fits = scanner.string(at, end);
    } else if ("{}[],:".includes(text[at]!)) {
      fits = scanner.mark(text[at]!);
      if (scanner.depth > MAX_TEXT_DEPTH) return { at, message: TOO_DEEP };
    } else {
      LITERAL.lastIndex = at;
      fits = LITERAL.test(text) && scanner.literal(at, LITERAL.lastIndex);
      end = LITERAL.lastIndex;
    }
    if (!fits) return fault(text, at, scanner.expected);
    at = end;
  }
}

function afterSpace(text: string, from: number): number {
  let at = from;
  for (;; at++) {
    const code = text.charCodeAt(at);
    if (code !== SPACE && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
  }
}

/** The offset after the closing quote of a string whose inside starts at `from`. */
function endOfString(text: string, from: number): number | Fault {
  for (let at = from;; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (Number.isNaN(code)) {
      return { at: from - 1, message: "The string that starts here has no closing quote," };
    }
    if (code < SPACE) return { at, message: "Found a line break or control character in a string" };
    if (code !== BACKSLASH) continue;
    if (!/^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(at + 1, at + 6))) {
      return {
        at,
        message: `Expected an escape such as \\n or \\\\, found ${JSON.stringify(text.slice(at, at + 2))}`,
      };
    }
    at++;
  }
}

/** Where a text stands. Each method takes a token; `false` means that it can't stand there. */
class Scanner {
  expected: Expected = "v";
  readonly #levels: Level[] = [];
  readonly #tellsNumbers: boolean;
  readonly #text: string;
  readonly #problems: Problem[];

  constructor(text: string, problems: Problem[], numbers: JsonOptions["numbers"]) {
    this.#tellsNumbers = numbers === "told";
    this.#text = text;
    this.#problems = problems;
  }

  get depth(): number {
    return this.#levels.length;
  }

  value(): boolean {
    if (this.expected !== "v" && this.expected !== "V") return false;
    this.expected = this.#levels.length === 0 ? "end" : ",";
    return true;
  }

  /** A number or a word lies from `at` to `end`. */
  literal(at: number, end: number): boolean {
    if (!this.value()) return false;
    const word = this.#text.slice(at, end);
    const lost = this.#tellsNumbers && /\d/.test(word) ? lostIn(word) : undefined;
    if (lost !== undefined) {
      this.#tell(
        at,
        `The number ${shown(word)} can't be held exactly, it would become ${lost}: write it in quotes`,
      );
    }
    return true;
  }

  /** A string with its quotes lies from `at` to `end`. */
  string(at: number, end: number): boolean {
    if (this.expected !== "k" && this.expected !== "K") return this.value();
    const inside = this.#text.slice(at + 1, end - 1);
    this.#key(inside.includes("\\") ? JSON.parse(this.#text.slice(at, end)) as string : inside, at);
    return true;
  }

  mark(mark: string): boolean {
    const { expected } = this;
    if (mark === "{" || mark === "[") {
      if (expected !== "v" && expected !== "V") return false;
      this.#levels.push(mark === "{" ? { keys: new Set(), at: "" } : { at: 0 });
      this.expected = mark === "{" ? "K" : "V";
      return true;
    }
    if (mark === ":") {
      if (expected !== ":") return false;
      this.expected = "v";
      return true;
    }
    return mark === "," ? this.#comma() : this.#close(mark);
  }

  #comma(): boolean {
    if (this.expected !== ",") return false;
    const level = this.#levels.at(-1)!;
    this.expected = level.keys === undefined ? "v" : "k";
    if (level.keys === undefined) level.at = level.at as number + 1;
    return true;
  }

  #close(mark: string): boolean {
    const empty = mark === "}" ? "K" : "V";
    const inObject = this.#levels.at(-1)?.keys !== undefined;
    if (this.expected !== empty && !(this.expected === "," && inObject === (mark === "}"))) return false;
    this.#levels.pop();
    this.expected = this.#levels.length === 0 ? "end" : ",";
    return true;
  }

  #key(key: string, at: number): void {
    const level = this.#levels.at(-1)!;
    level.at = key;
    this.expected = ":";
    if (level.keys!.has(key)) {
      this.#tell(at, `Duplicate: the key ${JSON.stringify(shown(key))} is there twice, so one would be lost`);
    }
    level.keys!.add(key);
  }

  #tell(at: number, message: string): void {
    if (this.#problems.length >= MAX_TOLD) return;
    const place = this.#levels.reduce((parent, { at }) => placeOf(parent, at), "");
    this.#problems.push({ place, message: `${message}, ${position(this.#text, at)}` });
  }
}

/** What is written, short. */
function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** @param at Where the token that can't stand there starts. */
function fault(text: string, at: number, expected: Expected): Fault {
  const wanted = expected === "," ? '"," or the closing bracket' : WORDS[expected];
  if (at >= text.length) return { at, message: `The text ends where ${wanted} should be` };
  const found = text.slice(at, at + 20).split(/[\s,\]}]/)[0] || text[at]!;
  if ((text[at] === "}" || text[at] === "]") && /,[ \t\r\n]*$/.test(text.slice(Math.max(0, at - 1000), at))) {
    return { at, message: `Found a comma before ${JSON.stringify(text[at])}: remove it` };
  }
  if (found.startsWith("//") || found.startsWith("/*")) {
    return { at, message: "Comments are not allowed in JSON: found one" };
  }
  return { at, message: `Expected ${wanted}, found ${JSON.stringify(found)}` };
}
