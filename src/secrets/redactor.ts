/**
 * Owns a set of secrets, and taking them out of texts and of JSON values.
 * Must not know where texts come from or go to, nor how a secret is spelt.
 * Invariant: what a text holds of a secret is replaced whole; a text without any stays as it is.
 */
import { hintOf, MIN_SECRET, type Spelling, spellingsOf } from "./spelling.ts";
import { REDACTED, RedactionStream } from "./stream.ts";

/** Shortest line of a secret of several lines that counts by itself, since logs are made of lines. In characters. */
const MIN_LINE = 8;

/** Takes a set of secrets out of texts. */
export class Redactor {
  readonly #secrets: Set<string> = new Set();
  #spellings: readonly Spelling[] = [];
  #hint: RegExp | undefined;
  #whole: RedactionStream | undefined;
  #fork: Redactor | undefined;

  constructor(secrets: Iterable<string>) {
    this.add(secrets);
  }

  /** From now on these are secret too. */
  add(secrets: Iterable<string>): void {
    const before = this.#secrets.size;
    for (const part of [...secrets].flatMap(withLines)) {
      if (part.length >= MIN_SECRET) this.#secrets.add(part);
    }
    if (this.#secrets.size === before) return;
    this.#spellings = spellingsOf([...this.#secrets]);
    this.#hint = hintOf([...this.#secrets]);
    this.#whole = this.stream();
    this.#fork?.add(this.#secrets);
  }

  /** One that has more secrets. The last one made learns of all that are added here. */
  fork(more: Iterable<string>): Redactor {
    return this.#fork = new Redactor([...this.#secrets, ...more]);
  }

  /** Grows when there are more secrets: streams made before do not know of them. */
  get count(): number {
    return this.#secrets.size;
  }

  /** Whether there is anything to take out. */
  get idle(): boolean {
    return this.#whole === undefined;
  }

  /** The text without secrets. */
  text(text: string): string {
    return this.#whole?.whole(text) ?? text;
  }

  /** A text of JSON without secrets, which still is JSON: they are taken out of the strings and names in it. */
  json(text: string): string {
    return this.text(text) === text ? text : JSON.stringify(this.value(JSON.parse(text)));
  }

  /** A text that may be JSON, and then still is: numbers stay, since what a page or a program reads has to be read. */
  told(text: string): string {
    const told = this.text(text);
    if (told === text) return text;
    try {
      return this.json(text);
    } catch {
      return told;
    }
  }

  /** A JSON value without secrets in its strings and names. Numbers stay, and bytes stay bytes. */
  value(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((each) => this.value(each));
    const { $bytes: bytes, ...more } = value as Record<string, unknown>;
    if (typeof bytes === "string" && Object.keys(more).length === 0) {
      return this.text(bytes) === bytes ? value : { $bytes: btoa(REDACTED) };
    }
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [this.text(name), this.value(each)]),
    );
  }

  /** For a text that comes in chunks, or in records. */
  stream(): RedactionStream {
    return new RedactionStream(this.#spellings, this.#hint);
  }
}

/** A secret, and the lines of one that has several. */
function withLines(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  return lines.length === 1 ? [secret] : [secret.trim(), ...lines.filter((line) => line.length >= MIN_LINE)];
}
