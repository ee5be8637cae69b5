/**
 * Owns the executable of a target: Outrider with a runtime in one file, made once and kept in the cache.
 * Must not know how a base is got (fetch.ts), nor how one is made an executable (bun.ts, node.ts).
 * Invariant: the same program, base and environment give the same bytes, wherever, and on whichever runtime, this runs.
 */
import { sha256 } from "../../base/bytes.ts";
import { digestOf, writeWhole } from "../../runtime/disk.ts";
import { runtime } from "../../runtime/runtime.ts";
import { VERSION } from "../../version.ts";
import { EnvironmentError } from "../document/error.ts";
import type { BaseName, Target } from "../document/schema.ts";
import type { UsedPart } from "../made.ts";
import { baseOf, hostTarget, usedBase } from "./base.ts";
import type { Base } from "./base_form.ts";
import { compileByBun } from "./bun.ts";
import { type Compiler, executableName } from "./compiler.ts";
import { fetchBase, type FetchOptions } from "./fetch.ts";
import { compileByNode } from "./node.ts";
import { programText } from "./program.ts";

/** An executable that was made. */
export interface Executable {
  readonly path: string;
  readonly used: UsedPart;
}

const COMPILERS: Readonly<Partial<Record<BaseName, Compiler>>> = { bun: compileByBun, node: compileByNode };

/** Makes executables of one base, for one build. */
export class Executables {
  readonly #name: BaseName;
  readonly #options: FetchOptions;
  #program: Promise<string> | undefined;
  /** By target and environment: those that are made or being made. */
  readonly #made: Map<string, Promise<Executable>> = new Map();
  /** Bases, by target. */
  readonly #bases: Map<Target, Promise<string>> = new Map();

  constructor(name: BaseName, options: FetchOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** The executable for a target, with an environment inside or none. @throws {EnvironmentError} If it can't be made. */
  make(target: Target, environment?: string): Promise<Executable> {
    const key = `${target} ${environment ?? ""}`;
    const made = this.#made.get(key) ?? this.#make(target, environment);
    this.#made.set(key, made);
    return made;
  }

  /** The runtime of a target, verified. */
  async base(target: Target): Promise<Executable> {
    const base = baseOf(this.#name, target);
    return { path: await this.#base(target, base), used: usedBase(base, target) };
  }

  /** The text of the program. */
  program(): Promise<string> {
    return this.#program ??= programText();
  }

  async #make(target: Target, environment: string | undefined): Promise<Executable> {
    const compile = COMPILERS[this.#name];
    if (compile === undefined) {
      throw new EnvironmentError(
        `The executable for ${target}`,
        `${this.#name} makes a folder, and here one file is needed: take "runtime": "bun" or "node"`,
      );
    }
    const base = baseOf(this.#name, target);
    const used = usedBase(base, target);
    const program = await this.program();
    const { cache, work, progress } = this.#options;
    const key = await sha256(JSON.stringify([FORM, VERSION, program, base.fileSha256, environment ?? null]));
    const kept = `${cache}/executables/${key}/${executableName(target)}`;
    if (await isWhole(kept)) return { path: kept, used };
    const host = await this.#host();
    const path = await this.#base(target, base);
    progress(`making the executable for ${target}`);
    const folder = `${work}/executable-${key.slice(0, 16)}`;
    await runtime.makeFolder(folder);
    const made = await compile({ program, environment, target, host, base: path, folder });
    await keep(made, kept);
    return { path: kept, used };
  }

  /** What does the work: the base of this machine, or this program itself where it is the same. */
  async #host(): Promise<string> {
    const target = hostTarget(runtime.machine);
    const base = baseOf(this.#name, target);
    const self = runtime.asBun();
    if (this.#name === "bun" && self !== undefined && runtime.version === base.version) {
      return self.command[0]!;
    }
    return await this.#base(target, base);
  }

  #base(target: Target, base: Base): Promise<string> {
    const got = this.#bases.get(target) ?? fetchBase(base, this.#options);
    this.#bases.set(target, got);
    return got;
  }
}

/** Of what is kept: another one makes all executables anew. */
const FORM = 1;

/** Whether a kept executable is as it was when it was made. */
async function isWhole(path: string): Promise<boolean> {
  if (await runtime.about(path) === undefined) return false;
  try {
    return (await digestOf(path, "sha256")).digest === await runtime.readText(`${path}.sha256`, 100);
  } catch {
    return false;
  }
}

async function keep(made: string, kept: string): Promise<void> {
  await runtime.remove(`${kept}.sha256`);
  await writeWhole(kept, { path: made }, 0o755);
  await writeWhole(`${kept}.sha256`, { text: (await digestOf(kept, "sha256")).digest });
}
