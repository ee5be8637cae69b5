/**
 * Owns the reading of a pipeline's text with its tasks one by one: an object of 100,000 keys takes longer to make and to
 * walk than all that is in it, and most of what a task says the one before it has said too.
 * Must not know what a task may look like, nor the words for what is wrong.
 * Invariant: what it reads is what `JSON.parse` reads, but that tasks are in the order in which they are written, and that
 * equal values of neighbours may be one object; and it reads nothing that `readJson` has a problem with.
 */
import { isRecord, LIMITS } from "./manifest.ts";
import { lostIn } from "../../base/held.ts";
import { endOfString, keysIn, outlineOf } from "../../base/outline.ts";
import type { TaskList } from "./task_list.ts";

/** A document and its tasks. */
export interface Apart {
  /** The document with no tasks in it. */
  readonly head: Readonly<Record<string, unknown>>;
  readonly list: TaskList;
}

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, BACKSLASH = 0x5c, SPACE = 0x20;
const OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;
/** The longest text of a value that is compared with the next task's. */
const MAX_REMEMBERED = 4_096;

/** Reads a text whose tasks are an object of objects; `undefined` for any other, and for one with anything wrong. */
export function readApart(text: string): Apart | undefined {
  const from = tasksIn(text);
  if (from < 0) return undefined;
  try {
    const reader = new Reader(text, from);
    const list = reader.tasks();
    const rest = `${text.slice(0, from)}${text.slice(reader.at - 1)}`;
    const head: unknown = JSON.parse(rest);
    const { keys, depth, loses } = outlineOf(rest);
    // Where it says its order, that is not the one in which they are written here.
    if (
      !isRecord(head) || head["order"] !== undefined || loses || depth > LIMITS.depth || keysIn(head) !== keys
    ) return undefined;
    return { head, list };
  } catch (error) {
    // What is wrong, and where, is told by who reads the text as a whole.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Where the inside of the document's `tasks` begins; -1 if that is no object. */
function tasksIn(text: string): number {
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === OPEN_OBJECT || code === OPEN_LIST) level++;
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) level--;
    else if (code === QUOTE) {
      const end = endOfString(text, at + 1);
      if (end < 0) return -1;
      if (level === 1 && end - at === 7 && text.startsWith("tasks", at + 1)) {
        const colon = afterBlanks(text, end);
        if (text.charCodeAt(colon) === COLON) {
          const value = afterBlanks(text, colon + 1);
          return text.charCodeAt(value) === OPEN_OBJECT ? value + 1 : -1;
        }
      }
      at = end - 1;
    }
  }
  return -1;
}

function afterBlanks(text: string, from: number): number {
  for (let at = from;; at++) {
    const code = text.charCodeAt(at);
    if (code !== SPACE && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
  }
}

/** What the task before has at this place: the guess for the next one. */
interface Member {
  /** All that is written between what comes before and the value: comma, key, colon, blanks. */
  readonly lead: string;
  readonly key: string;
  /** The value's text; empty: it is not remembered. */
  text: string;
  value: unknown;
}

/** Reads an object's members, which are objects. Its methods throw a `SyntaxError` at what is not for them. */
class Reader {
  readonly #text: string;
  readonly #members: Member[] = [];
  readonly #strings: string[] = [];
  at: number;

  /** @param at Behind the opening bracket. */
  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  /** Goes on behind the closing bracket. */
  tasks(): TaskList {
    const names: string[] = [], tasks: unknown[] = [];
    const indexOf = new Map<string, number>();
    do {
      const name = this.#key();
      indexOf.set(name, names.length);
      if (names.push(name) !== indexOf.size) throw new SyntaxError(name);
      tasks.push(this.#task());
    } while (this.#goesOn(CLOSE_OBJECT));
    return { names, tasks, indexOf };
  }

  #task(): unknown {
    const text = this.#text;
    if (text.charCodeAt(this.at) !== OPEN_OBJECT) throw new SyntaxError("no object");
    const task: Record<string, unknown> = {};
    const inside = afterBlanks(text, this.at + 1);
    if (text.charCodeAt(inside) === CLOSE_OBJECT) {
      this.at = inside + 1;
      return task;
    }
    let count = 0;
    let from = ++this.at;
    do {
      const member = this.#member(count++, from);
      const { key } = member;
      if (key === "__proto__") throw new SyntaxError(key);
      for (let before = 0; before < count - 1; before++) {
        if (this.#members[before]!.key === key) throw new SyntaxError(key);
      }
      task[key] = member.value;
      from = this.at;
    } while (this.#goesOn(CLOSE_OBJECT));
    return task;
  }

  /** @param from Behind what comes before it; if that is a member, a comma has been read. */
  #member(index: number, from: number): Member {
    const text = this.#text;
    let member = this.#members[index];
    if (member !== undefined && isAt(text, from, member.lead)) {
      this.at = from + member.lead.length;
      if (member.text !== "" && isAt(text, this.at, member.text)) {
        this.at += member.text.length;
        return member;
      }
    } else {
      const key = this.#key();
      this.#members[index] = member = { lead: text.slice(from, this.at), key, text: "", value: undefined };
    }
    const start = this.at;
    member.value = this.#value();
    // Of a number it can't be told by its beginning that another is the same.
    const isClosed = this.at - start <= MAX_REMEMBERED && isBracketOrQuote(text.charCodeAt(start));
    member.text = isClosed ? text.slice(start, this.at) : "";
    return member;
  }

  /** A key, and the colon behind it. */
  #key(): string {
    const text = this.#text;
    const from = this.at = afterBlanks(text, this.at);
    const key = this.#string();
    this.at = afterBlanks(text, this.at);
    if (text.charCodeAt(this.at) !== COLON) throw new SyntaxError(`${from}`);
    this.at = afterBlanks(text, this.at + 1);
    return key;
  }

  /** Whether another one follows; the comma before it, or the closing bracket, is read. */
  #goesOn(close: number): boolean {
    this.at = afterBlanks(this.#text, this.at);
    const code = this.#text.charCodeAt(this.at++);
    if (code !== COMMA && code !== close) throw new SyntaxError(`${this.at}`);
    return code === COMMA;
  }

  #string(): string {
    const text = this.#text;
    const from = this.at;
    if (text.charCodeAt(from) !== QUOTE) throw new SyntaxError(`${from}`);
    let at = from + 1;
    let code = text.charCodeAt(at);
    while (code !== QUOTE && code !== BACKSLASH && code >= SPACE) code = text.charCodeAt(++at);
    if (code === QUOTE) {
      this.at = at + 1;
      return text.slice(from + 1, at);
    }
    this.at = endOfString(text, at);
    if (this.at < 0) throw new SyntaxError(`${from}`);
    return JSON.parse(text.slice(from, this.at)) as string;
  }

  #value(): unknown {
    const text = this.#text;
    const code = text.charCodeAt(this.at);
    if (code === QUOTE) return this.#string();
    if (code === OPEN_LIST && text.charCodeAt(this.at + 1) === QUOTE) {
      const strings = this.#stringList();
      if (strings !== undefined) return strings;
    }
    const from = this.at;
    if (code !== OPEN_LIST && code !== OPEN_OBJECT) {
      while (!isEnd(text.charCodeAt(this.at))) this.at++;
      const word = text.slice(from, this.at);
      if (lostIn(word) !== undefined) throw new SyntaxError("changed");
      return JSON.parse(word);
    }
    const { end, keys, depth, loses } = outlineOf(text, from);
    if (loses) throw new SyntaxError("changed");
    if (depth > LIMITS.depth - 3) throw new SyntaxError("too deep");
    this.at = end;
    const value: unknown = JSON.parse(text.slice(from, end));
    if (keysIn(value) !== keys) throw new SyntaxError("twice");
    return value;
  }

  /** A list of strings; `undefined` if there is anything else in it, and then nothing is read. */
  #stringList(): string[] | undefined {
    const text = this.#text;
    const from = this.at++;
    const strings = this.#strings;
    let count = 0;
    do {
      this.at = afterBlanks(text, this.at);
      if (text.charCodeAt(this.at) !== QUOTE) {
        this.at = from;
        return undefined;
      }
      strings[count++] = this.#string();
    } while (this.#goesOn(CLOSE_LIST));
    // As long as it is: a list that grows keeps room for a dozen more.
    return strings.slice(0, count);
  }
}

/** Whether a part stands there. `startsWith` compares one character after the other. */
function isAt(text: string, from: number, part: string): boolean {
  return text.slice(from, from + part.length) === part;
}

function isBracketOrQuote(code: number): boolean {
  return code === OPEN_OBJECT || code === OPEN_LIST || code === QUOTE;
}

/** Whether a number or a word ends here: at what may follow it, and at the end of the text. */
function isEnd(code: number): boolean {
  return code === COMMA || code === CLOSE_OBJECT || code <= SPACE || Number.isNaN(code);
}
