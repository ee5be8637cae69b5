/**
 * Owns looking for a pattern in a text in time that grows with the text alone, as K. Thompson did ("Regular expression search
 * algorithm", 1968): all that may match is followed at once.
 * Must not know whose patterns they are.
 * Invariant: no pattern, and no text, makes it slower than so many steps for each character, {@linkcode MAX_STATES} at most.
 *
 * It takes of regular expressions what has the same meaning everywhere: characters, `.`, `[a-z]`, `\d \w \s` and their
 * opposites, `( )`, `|`, `* + ? {2} {2,} {2,5}`, and `^ $` for the ends of the text.
 */

/** Longest pattern, in UTF-16 code units. */
export const MAX_PATTERN = 500;
/** Most that a pattern comes to when what is repeated is written out. */
export const MAX_STATES = 500;
/** Deepest nesting of groups. */
const MAX_GROUPS = 50;

type Fits = (code: number) => boolean;

/** What a pattern is made of. */
type Node =
  | { readonly type: "one"; readonly fits: Fits }
  | { readonly type: "start" | "end" }
  | { readonly type: "all" | "any"; readonly of: readonly Node[] }
  | { readonly type: "repeat"; readonly of: Node; readonly least: number; readonly most: number };

/** A step: eats a character, goes on at one or two others, looks whether it is at an end of the text, or has found it. */
type Step =
  | { readonly type: "one"; readonly fits: Fits }
  | { readonly type: "fork"; to: readonly number[] }
  | { readonly type: "start" | "end" | "found" };

/** A pattern, read. */
export class Pattern {
  readonly #steps: readonly Step[];

  /** @throws {SyntaxError} If it is no pattern that is taken here: what is wrong, where, and what to write. */
  constructor(text: string) {
    this.#steps = new Writer(new Reader(text).whole()).steps;
  }

  /** Whether it is anywhere in the text. */
  isIn(text: string): boolean {
    const marks = new Int32Array(this.#steps.length).fill(-1);
    let now: number[] = [];
    for (let at = 0;;) {
      const here = { at, end: text.length, marks, open: now };
      if (this.#enter(0, here)) return true;
      if (at >= text.length) return false;
      const code = text.codePointAt(at)!;
      at += code > 0xffff ? 2 : 1;
      const next: number[] = [];
      for (const each of now) {
        const step = this.#steps[each]!;
        if (step.type !== "one" || !step.fits(code)) continue;
        if (this.#enter(each + 1, { at, end: text.length, marks, open: next })) return true;
      }
      now = next;
    }
  }

  /** Goes to a step and on from there as far as nothing is eaten. @returns Whether it was found. */
  #enter(
    step: number,
    { at, end, marks, open }: {
      readonly at: number;
      readonly end: number;
      readonly marks: Int32Array;
      readonly open: number[];
    },
  ): boolean {
    const left = [step];
    for (let each = left.pop(); each !== undefined; each = left.pop()) {
      if (marks[each] === at) continue;
      marks[each] = at;
      const what = this.#steps[each]!;
      if (what.type === "found") return true;
      if (what.type === "one") open.push(each);
      else if (what.type === "fork") left.push(...what.to);
      else if (what.type === "start" ? at === 0 : at === end) left.push(each + 1);
    }
    return false;
  }
}

/** Writes steps that follow each other; what leads elsewhere is a fork. */
class Writer {
  readonly steps: Step[] = [];

  constructor(node: Node) {
    this.#write(node);
    this.#add({ type: "found" });
  }

  #add<T extends Step>(step: T): T {
    if (this.steps.length >= MAX_STATES) {
      throw new SyntaxError(`It comes to more than ${MAX_STATES} steps: repeat less`);
    }
    this.steps.push(step);
    return step;
  }

  #write(node: Node): void {
    switch (node.type) {
      case "one":
      case "start":
      case "end":
        return void this.#add(node);
      case "all":
        return node.of.forEach((each) => this.#write(each));
      case "any":
        return this.#any(node.of);
      case "repeat":
        return this.#repeat(node);
    }
  }

  #any(of: readonly Node[]): void {
    const ends: { to: readonly number[] }[] = [];
    of.forEach((each, index) => {
      if (index === of.length - 1) return this.#write(each);
      const fork = this.#add<{ type: "fork"; to: readonly number[] }>({ type: "fork", to: [] });
      const first = this.steps.length;
      this.#write(each);
      ends.push(this.#add<{ type: "fork"; to: readonly number[] }>({ type: "fork", to: [] }));
      fork.to = [first, this.steps.length];
    });
    for (const end of ends) end.to = [this.steps.length];
  }

  #repeat({ of, least, most }: Extract<Node, { type: "repeat" }>): void {
    for (let count = 0, before = -1; count < least && this.steps.length > before; count++) {
      // What writes nothing does so as often as it is repeated.
      before = this.steps.length;
      this.#write(of);
    }
    if (most === Infinity) {
      const fork = this.#add<{ type: "fork"; to: readonly number[] }>({ type: "fork", to: [] });
      const at = this.steps.length - 1;
      this.#write(of);
      this.#add({ type: "fork", to: [at] });
      fork.to = [at + 1, this.steps.length];
      return;
    }
    const forks: { to: readonly number[] }[] = [];
    for (let count = least; count < most; count++) {
      forks.push(
        this.#add<{ type: "fork"; to: readonly number[] }>({ type: "fork", to: [this.steps.length + 1] }),
      );
      this.#write(of);
    }
    for (const fork of forks) fork.to = [...fork.to, this.steps.length];
  }
}

const DIGIT: Fits = (code) => code >= 0x30 && code <= 0x39;
const WORD: Fits = (code) => DIGIT(code) || code === 0x5f || (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
const SPACE: Fits = (code) => /\s/.test(String.fromCodePoint(code));
const NO_BREAK: Fits = (code) => code !== 0x0a && code !== 0x0d && code !== 0x2028 && code !== 0x2029;
const SETS: Readonly<Record<string, Fits>> = { d: DIGIT, w: WORD, s: SPACE };
const BREAKS: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b };

/** Reads a pattern. */
class Reader {
  /** By character, a pair counts as one. */
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    if (text.length > MAX_PATTERN) {
      throw new SyntaxError(`It has ${text.length} characters: ${MAX_PATTERN} are allowed`);
    }
    this.#text = [...text];
  }

  whole(): Node {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw this.#wrong('There is no "(" before this ")"');
    return node;
  }

  #choice(): Node {
    const of = [this.#sequence()];
    while (this.#take("|")) of.push(this.#sequence());
    return of.length === 1 ? of[0]! : { type: "any", of };
  }

  #sequence(): Node {
    const of: Node[] = [];
    for (let next = this.#next; next !== undefined && next !== "|" && next !== ")"; next = this.#next) {
      of.push(this.#repeated(this.#atom()));
    }
    return of.length === 1 ? of[0]! : { type: "all", of };
  }

  #repeated(of: Node): Node {
    const at = this.#at;
    const times = this.#times();
    if (times === undefined) return of;
    if (of.type === "start" || of.type === "end") {
      this.#at = at;
      throw this.#wrong("An end of the text is not repeated");
    }
    // Which of several matches is found does not matter: a lazy one is the same.
    this.#take("?");
    if (this.#times() !== undefined) throw this.#wrong("Only one of * + ? { } may follow another part");
    return { type: "repeat", of, ...times };
  }

  #times(): { readonly least: number; readonly most: number } | undefined {
    if (this.#take("*")) return { least: 0, most: Infinity };
    if (this.#take("+")) return { least: 1, most: Infinity };
    if (this.#take("?")) return { least: 0, most: 1 };
    if (!this.#take("{")) return undefined;
    const least = this.#number();
    const most = !this.#take(",") ? least : this.#next === "}" ? Infinity : this.#number();
    if (least === undefined || most === undefined || most < least || !this.#take("}")) {
      throw this.#wrong('Write {2}, {2,} or {2,5} here, or \\{ for the character "{"');
    }
    return { least, most };
  }

  #number(): number | undefined {
    let digits = "";
    while (digits.length < 5 && this.#next !== undefined && /[0-9]/.test(this.#next)) digits += this.#any();
    return digits === "" ? undefined : Number(digits);
  }

  #atom(): Node {
    const character = this.#any()!;
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { type: "one", fits: this.#set() };
      case ".":
        return { type: "one", fits: NO_BREAK };
      case "^":
        return { type: "start" };
      case "$":
        return { type: "end" };
      case "\\":
        return { type: "one", fits: fitting(this.#escape()) };
      case "*":
      case "+":
      case "?":
      case "{":
        this.#at--;
        throw this.#wrong(`There is nothing to repeat: write \\${character} for the character itself`);
      default:
        return { type: "one", fits: fitting(character.codePointAt(0)!) };
    }
  }

  #group(): Node {
    if (++this.#depth > MAX_GROUPS) throw this.#wrong(`More than ${MAX_GROUPS} groups lie in each other`);
    if (this.#take("?") && !this.#take(":")) {
      throw this.#wrong("Only (?: … ) is taken of the groups that begin with (?");
    }
    const node = this.#choice();
    if (!this.#take(")")) throw this.#wrong('A ")" is missing');
    this.#depth--;
    return node;
  }

  /** What stands between brackets. */
  #set(): Fits {
    const not = this.#take("^");
    const parts: Fits[] = [];
    while (!this.#take("]")) {
      const first = this.#member();
      if (typeof first === "number" && this.#next === "-" && this.#text[this.#at + 1] !== "]") {
        this.#at++;
        const last = this.#member();
        if (typeof last !== "number" || last < first) {
          throw this.#wrong("A range goes from a lower character to a higher");
        }
        parts.push((code) => code >= first && code <= last);
      } else parts.push(fitting(first));
    }
    return (code) => parts.some((fits) => fits(code)) !== not;
  }

  #member(): number | Fits {
    const character = this.#any();
    if (character === undefined) throw this.#wrong('A "]" is missing');
    return character === "\\" ? this.#escape() : character.codePointAt(0)!;
  }

  #escape(): number | Fits {
    const character = this.#any();
    if (character === undefined) throw this.#wrong("A character is missing after the last \\");
    const set = SETS[character.toLowerCase()];
    if (set !== undefined) return SETS[character] ?? ((code) => !set(code));
    const code = BREAKS[character];
    if (code !== undefined) return code;
    if (!/[\p{L}\p{N}]/u.test(character)) return character.codePointAt(0)!;
    this.#at--;
    throw this.#wrong(
      `\\${character} is not taken: there are \\d \\w \\s \\D \\W \\S \\n \\r \\t, and \\ before a sign`,
    );
  }

  get #next(): string | undefined {
    return this.#text[this.#at];
  }

  #any(): string | undefined {
    const character = this.#text[this.#at];
    if (character !== undefined) this.#at++;
    return character;
  }

  #take(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at++;
    return true;
  }

  #wrong(message: string): SyntaxError {
    return new SyntaxError(`${message} (character ${Math.min(this.#at, this.#text.length) + 1})`);
  }
}

function fitting(member: number | Fits): Fits {
  return typeof member === "number" ? (code) => code === member : member;
}
