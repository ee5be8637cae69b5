/**
 * Owns who may ask: tokens for users and for executors.
 * Must not know what is asked.
 * Invariant: a token's text is never kept and never shown again; a comparison takes the same time however much is right.
 * What goes on for a token is over with it. One process at a time owns the tokens of a store.
 */
import type { GatewayStore, TokenRow } from "./store.ts";
import { randomHex, sha256 } from "../base/bytes.ts";
import { CutOff } from "../base/reader_stream.ts";
import { Refuse } from "../base/web/refuse.ts";
import { sameText } from "../base/web/same_text.ts";

/** A token to be made. */
export interface TokenOptions {
  /** What it is withdrawn by. */
  readonly name: string;
  /** `both` is for trying things out on one machine. */
  readonly kind: TokenRow["kind"];
  /** The one executor that it speaks for. Default: any. */
  readonly executor?: string;
  /** The one experiment whose flags an executor's opens. Default: none. */
  readonly experiment?: string;
  /** The groups whose bundles an executor's opens, beside `all`. Default: none. */
  readonly groups?: readonly string[];
}

/** Tokens that there are at most: each request is compared with all. */
export const MAX_TOKENS = 10_000;

/** The tokens of a gateway. */
export class Tokens {
  readonly #store: GatewayStore;
  /** Read once: every request asks. */
  #rows: Promise<readonly TokenRow[]> | undefined;
  /** By name, of those for which something goes on. */
  readonly #over: Map<string, AbortController> = new Map();

  constructor(store: GatewayStore) {
    this.#store = store;
  }

  /**
   * Makes a token of 256 random bits; returns its text, which is not kept. One of the same name is replaced.
   *
   * @throws {Refuse} 409 if there are too many.
   */
  async make(options: TokenOptions): Promise<string> {
    const rows = await this.#all();
    if (rows.length >= MAX_TOKENS && !rows.some(({ name }) => name === options.name)) {
      throw new Refuse(409, "TOKENS_FULL", {
        message:
          `There are ${MAX_TOKENS} tokens, and no more may be: withdraw some (DELETE /v1/tokens/{name})`,
      });
    }
    const text = randomHex(32);
    await this.put(options, text);
    return text;
  }

  /** Lets a token in whose text is given. One of the same name is replaced. */
  async put({ name, kind, executor, experiment, groups = [] }: TokenOptions, text: string): Promise<void> {
    await this.#change(
      name,
      async () =>
        this.#store.putToken({ name, kind, executor, experiment, groups, hash: await hashOf(text) }),
    );
  }

  /** Withdraws a token; whether there was one. */
  drop(name: string): Promise<boolean> {
    return this.#change(name, () => this.#store.dropToken(name));
  }

  /** The token with this text. */
  async find(text: string): Promise<TokenRow | undefined> {
    const hash = await hashOf(text);
    let found: TokenRow | undefined;
    for (const row of await this.#all()) {
      if (sameText(row.hash, hash)) found = row;
    }
    return found;
  }

  /** The token with this digest, as long as it is let in. */
  async held(hash: string): Promise<TokenRow | undefined> {
    return (await this.#all()).find((row) => row.hash !== "" && sameText(row.hash, hash));
  }

  /** Aborted when the token, which was let in a moment ago, is withdrawn or replaced, also if it was within that moment. */
  async over({ name, hash }: Pick<TokenRow, "name" | "hash">): Promise<AbortSignal> {
    const over = this.#over.get(name) ?? new AbortController();
    this.#over.set(name, over);
    // Looked at only then: whatever comes later aborts it.
    return await this.held(hash) === undefined ? AbortSignal.abort(cutOff(name)) : over.signal;
  }

  #all(): Promise<readonly TokenRow[]> {
    return this.#rows ??= this.#store.tokens().catch((error) => {
      this.#rows = undefined;
      throw error;
    });
  }

  /** What was read before or meanwhile holds no more. */
  async #change<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.#rows = undefined;
      this.#over.get(name)?.abort(cutOff(name));
      this.#over.delete(name);
    }
  }
}

function cutOff(name: string): CutOff {
  return new CutOff(`Token ${name} was withdrawn or replaced: who followed by it was cut off`);
}

function hashOf(text: string): Promise<string> {
  return sha256(text);
}
