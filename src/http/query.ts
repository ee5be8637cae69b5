/**
 * Owns what a query may say: whole numbers, durations, words.
 * Must not know which route asks.
 * Invariant: what is there is either taken or refused with the parameter's name; a parameter that a route does not know is
 * refused too.
 */
import { show } from "../model/problem.ts";
import { durationProblem, parseDuration } from "../model/duration.ts";
import { Refuse } from "./failure.ts";

const NONE: URLSearchParams = new URLSearchParams();

/** The query of one request. */
export class Query {
  readonly #params: URLSearchParams;

  /** @throws {Refuse} If it has a parameter that is not `known`, or one twice. */
  constructor(url: string, known: readonly string[]) {
    const at = url.indexOf("?");
    this.#params = at < 0 ? NONE : new URLSearchParams(url.slice(at));
    if (at < 0) return;
    for (const name of this.#params.keys()) {
      if (!known.includes(name)) {
        throw bad(
          name,
          `is unknown here: ${
            known.length === 0 ? "there are no parameters" : `there are ${known.join(", ")}`
          }`,
        );
      }
      if (this.#params.getAll(name).length > 1) throw bad(name, "is there twice: give it once");
    }
  }

  has(name: string): boolean {
    return this.#params.has(name);
  }

  text(name: string): string | undefined {
    return this.#params.get(name) ?? undefined;
  }

  /** A whole number in a range. */
  count(
    name: string,
    { least = 0, most = Number.MAX_SAFE_INTEGER }: { readonly least?: number; readonly most?: number } = {},
  ): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (number >= least && number <= most) return number;
    throw bad(name, `must be a whole number from ${least} to ${most}; received ${show(text)}`);
  }

  /** A duration in milliseconds, at most `mostMs`. */
  duration(name: string, mostMs: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const problem = durationProblem(text);
    if (problem !== undefined) throw bad(name, `can't be used, ${problem}`);
    const ms = parseDuration(text);
    if (ms <= mostMs) return ms;
    throw bad(name, `is ${show(text)}, more than ${mostMs / 1_000} s: ask again instead`);
  }

  /** `1`, `true` or nothing behind the name: true; `0` or `false`: false. */
  flag(name: string): boolean | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (text === "" || text === "1" || text === "true") return true;
    if (text === "0" || text === "false") return false;
    throw bad(name, `must be true or false; received ${show(text)}`);
  }

  word<T extends string>(name: string, words: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const word = words.find((each) => each === text);
    if (word !== undefined) return word;
    throw bad(name, `must be ${words.join(", ")}; received ${show(text)}`);
  }
}

function bad(name: string, problem: string): Refuse {
  return new Refuse(400, "QUERY", { message: `The parameter ${show(name)} ${problem}` });
}
