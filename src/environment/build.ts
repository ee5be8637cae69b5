/**
 * Owns the building of an environment of some kind, and the account of what was made.
 * Must not know any kind.
 * Invariant: what is told of a file is true of what was written.
 */
import { sha256 } from "../base/bytes.ts";
import type { BuildInput, WriteBuilt } from "./builders/builder.ts";
import { BUILDERS } from "./builders/list.ts";

/** A file that was made. */
export interface BuiltFile {
  readonly name: string;
  /** Its size. */
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** What was made. */
export interface Built {
  readonly files: readonly BuiltFile[];
  /** In the words that a person reads. */
  readonly summary: string;
}

/** Builds an environment. @throws {Error} If there is no such kind, and what its builder throws. */
export async function buildEnvironment(kind: string, input: BuildInput, write: WriteBuilt): Promise<Built> {
  const builder = BUILDERS.find((each) => each.kind === kind);
  if (builder === undefined) {
    const kinds = BUILDERS.map((each) => each.kind).join(", ");
    throw new Error(`There is no kind of environment called ${JSON.stringify(kind)}: there are ${kinds}`);
  }
  const files: BuiltFile[] = [];
  const summary = await builder.build(input, async (name, text) => {
    await write(name, text);
    const contents = new TextEncoder().encode(text);
    files.push({ name, bytes: contents.length, sha256: await sha256(contents) });
  });
  return { files, summary };
}
