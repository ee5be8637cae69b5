/**
 * Owns what a builder of environments is: how one kind of thing is made that takes a pipeline, and what it needs, to a device.
 * Must not know any of the kinds, nor where files are put.
 */

/** What is built from. */
export interface BuildInput {
  /** A path or URL of a pipeline, as `run` takes it. */
  readonly pipeline: string;
}

/** Takes a file that was made. @param name The file's name, without folders. */
export type WriteBuilt = (name: string, text: string) => Promise<void>;

/** A kind of environment. A builder more is a file in this folder and a line in list.ts. */
export interface Builder {
  /** The word by which it is asked for. */
  readonly kind: string;
  /**
   * Makes it, and hands each file over once it is whole.
   *
   * @returns What was made, in the words that a person reads behind the file's name.
   * @throws {Error} With a `code`, in words, before anything is written: what is wrong, and what is missing.
   */
  build(input: BuildInput, write: WriteBuilt): Promise<string>;
}
