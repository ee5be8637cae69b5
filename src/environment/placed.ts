/**
 * Owns reading the files that an environment places for tasks.
 * Must not know where they are put.
 * Invariant: what can't be read is told by its place in environment.json.
 */
import { messageOf } from "../base/message.ts";
import { placeOf } from "../model/problem.ts";
import { pathIn, readBytes } from "../runtime/disk.ts";
import type { BuildInput } from "./builders/builder.ts";
import { EnvironmentError } from "./document/error.ts";

/** A file of the environment. @param path Where tasks find it. @param maxBytes A larger one is an error. */
export async function placedBytes(
  { environment, folder }: Pick<BuildInput, "environment" | "folder">,
  path: string,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBytes(pathIn(folder, environment.files![path]!.from), maxBytes);
  } catch (error) {
    const place = `${placeOf("files", path)}.from`;
    throw new EnvironmentError(environment.name, [{
      place,
      message: `The file can't be read: ${messageOf(error)}`,
    }], { cause: error });
  }
}
