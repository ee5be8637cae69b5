/**
 * Owns which versions of what is signed were taken, so that none that is older is taken later, whoever sends it.
 * Must not know what is signed, nor where this is kept; no clock has a say.
 * Invariant: what was taken is kept before it is used, and what can't be kept is not taken.
 */
import { jsonValue } from "../model/json_text.ts";
import { messageOf } from "../base/message.ts";
import { TrustError } from "./error.ts";

/** Where it is kept. */
export interface VersionsPort {
  /** The text that was written last; `undefined` if nothing ever was. */
  read(): Promise<string | undefined>;
  /** Resolves when it is on the disk whole; whatever happens meanwhile, either text is there. */
  write(text: string): Promise<void>;
}

/** Something with a version. */
export interface Taken {
  /** What it is, such as `pipeline device-check`: each has versions of its own. */
  readonly name: string;
  readonly version: number;
  /** Of its contents. */
  readonly hash: string;
}

/** Most names that are kept. */
const MAX_NAMES = 10_000;

type Kept = Readonly<Record<string, { readonly version: number; readonly hash: string }>>;

/** What was taken. */
export class Versions {
  readonly #port: VersionsPort;
  /** One after the other: each reads what the one before has written. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(port: VersionsPort) {
    this.#port = port;
  }

  /**
   * Takes something, unless a newer one of the name was taken, or another of the same version.
   *
   * @throws {TrustError} Why it is not taken.
   */
  take(taken: Taken): Promise<void> {
    const taking = this.#last.then(() => this.#take(taken));
    this.#last = taking.catch(() => {});
    return taking;
  }

  /** Looks whether something could be taken, and keeps nothing. @throws {TrustError} Why it is not taken. */
  async check(taken: Taken): Promise<void> {
    await this.#last;
    fresh(await this.#read(), taken);
  }

  async #take(taken: Taken): Promise<void> {
    const kept = await this.#read();
    const { name, version, hash } = taken;
    if (fresh(kept, taken)) await this.#write({ ...kept, [name]: { version, hash } });
  }

  async #read(): Promise<Kept> {
    let text: string | undefined;
    try {
      text = await this.#port.read();
      const { outriderVersions, taken } = jsonValue(text ?? EMPTY) as Readonly<Record<string, unknown>>;
      if (outriderVersions === 1 && isKept(taken)) return taken;
      throw new Error("it has another form");
    } catch (error) {
      throw new TrustError(
        `Which versions were taken before can't be read (${
          messageOf(error)
        }), so that nobody can tell what is older: mend it, or remove it if older ones may run once more`,
        { cause: error },
      );
    }
  }

  async #write(taken: Kept): Promise<void> {
    try {
      const text = JSON.stringify({ outriderVersions: 1, taken });
      await this.#port.write(`${text}\n`);
    } catch (error) {
      throw new TrustError(
        `That it is taken can't be kept (${messageOf(error)}), and so it is not: make room on the disk`,
        { cause: error },
      );
    }
  }
}

/** Whether something is new. @throws {TrustError} If it is older, or other contents of the same version. */
function fresh(kept: Kept, { name, version, hash }: Taken): boolean {
  const before = Object.hasOwn(kept, name) ? kept[name] : undefined;
  if (before !== undefined && version < before.version) {
    throw new TrustError(
      `Version ${version} of ${name} is older than version ${before.version}, which was taken before: sign it anew with a higher version`,
    );
  }
  if (before?.version === version) {
    if (before.hash === hash) return false;
    throw new TrustError(
      `Version ${version} of ${name} was taken before with other contents: sign it anew with a higher version`,
    );
  }
  if (before === undefined && Object.keys(kept).length >= MAX_NAMES) {
    throw new TrustError(
      `${MAX_NAMES} names have been taken: no more are kept, and so ${name} is not taken`,
    );
  }
  return true;
}

const EMPTY = '{"outriderVersions":1,"taken":{}}';

function isKept(taken: unknown): taken is Kept {
  return typeof taken === "object" && taken !== null && !Array.isArray(taken) &&
    Object.values(taken).every((each: unknown) => {
      const { version, hash } = (each ?? {}) as Readonly<Record<string, unknown>>;
      return Number.isSafeInteger(version) && typeof hash === "string";
    });
}

/** Kept as long as the process lives, where there is no disk for it. */
export function versionsInMemory(): VersionsPort {
  let kept: string | undefined;
  return {
    read: () => Promise.resolve(kept),
    write(text) {
      kept = text;
      return Promise.resolve();
    },
  };
}
