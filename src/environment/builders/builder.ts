/**
 * Owns what a builder of environments is: how one kind of thing is made that takes a pipeline, and what it needs, to a device.
 * Must not know any of the kinds, nor where files are put.
 */
import type { FileContents } from "../../runtime/disk.ts";
import type { BundledPipeline } from "../bundled.ts";
import type { EnvironmentDocument, EnvironmentKind, Target } from "../document/schema.ts";
import type { MadeFile, UsedPart } from "../made.ts";

/** What is built from. All that is asked for more than once is made once, however many builders ask. */
export interface BuildInput {
  readonly environment: EnvironmentDocument;
  /** Absolute; paths in the environment are relative to it. */
  readonly folder: string;
  readonly targets: readonly Target[];
  /** A folder of ours for what takes long to get; it may be deleted at any time, and be used by others at the same time. */
  readonly cache: string;
  /** A folder of this build alone, gone after it. */
  readonly work: string;
  /** The time of all that is made, seconds since 1970: never the clock's. */
  readonly epoch: number;
  /**
   * Path of the executable for a target.
   *
   * @param environment What `carried` gives, to have it inside. Default: it is bare, the same bytes for every environment.
   */
  executable(target: Target, environment?: string): Promise<string>;
  /** Path of the runtime of a target, as executables are made of it. */
  base(target: Target): Promise<string>;
  /** The text of the program that executables run: one module. */
  program(): Promise<string>;
  /** The pipeline, where it travels inside; `undefined` where it comes from the gateway. */
  bundle(): Promise<BundledPipeline | undefined>;
  /**
   * The text of what a device reads at the start: variables, names of secrets, what is required, the pipeline. A started
   * executable finds it inside, or in the file that `OUTRIDER_ENVIRONMENT` names.
   */
  carried(): Promise<string>;
  /** Tells a person what is being done. @param done How much of `total` is, where that is known. */
  progress(step: string, done?: number, total?: number): void;
}

/** What is known of a file beside its contents. */
export interface BuiltOptions {
  /** What it is for; absent for what is for all. */
  readonly target?: Target;
  /** Who may read, write and start it. Default 0o644. */
  readonly mode?: number;
  /** What a registry calls it, such as `sha256:…`, where that is not its own digest. */
  readonly digest?: string;
}

/** Where what is made goes. */
export interface BuildOutput {
  /** Writes a file whole. @param name Relative, with `/` between folders. */
  file(name: string, from: FileContents, options?: BuiltOptions): Promise<MadeFile>;
  /** Says that something of others is in what is made, for the record. Twice the same is once. */
  used(part: UsedPart): void;
}

/** A kind of environment. A builder more is a file in this folder and a line in list.ts. */
export interface Builder {
  readonly kind: EnvironmentKind;
  /**
   * Makes it, and hands each file over once it is whole.
   *
   * @throws {Error} With a `code`, in words: what is wrong, and what is missing.
   */
  build(input: BuildInput, out: BuildOutput): Promise<void>;
}
