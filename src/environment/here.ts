/**
 * Owns the environment that this process was started in: the document inside of the executable, or in the file that is named.
 * Must not know what is done with it.
 * Invariant: it is read once; what is not whole is refused in words, and nothing of it holds.
 */
import { messageOf } from "../base/message.ts";
import type { Runtime } from "../runtime/port.ts";
import type { CarriedEnvironment } from "./carried_environment.ts";

/** Most bytes of such a document. */
const MAX_BYTES: number = 64 * 1024 ** 2;

let here: Promise<CarriedEnvironment | undefined> | undefined;

/**
 * The environment; `undefined`: there is none.
 *
 * @param file The file that is named, if one is: it counts before what is inside.
 * @throws {EnvironmentError} If it can't be read, with all that is wrong.
 */
export function environmentHere(
  runtime: Pick<Runtime, "inside" | "readText">,
  file: string | undefined,
): Promise<CarriedEnvironment | undefined> {
  return here ??= readHere(runtime, file);
}

/** The same, read anew. */
export async function readHere(
  runtime: Pick<Runtime, "inside" | "readText">,
  file: string | undefined,
): Promise<CarriedEnvironment | undefined> {
  const text = file === undefined ? await runtime.inside("environment") : await textOf(runtime, file);
  if (text === undefined) return undefined;
  const { readCarried } = await import("./document/carried.ts");
  return readCarried(text, file ?? "The environment in this executable");
}

async function textOf({ readText }: Pick<Runtime, "readText">, file: string): Promise<string> {
  try {
    return await readText(file, MAX_BYTES);
  } catch (error) {
    const { EnvironmentError } = await import("./document/error.ts");
    throw new EnvironmentError(
      "OUTRIDER_ENVIRONMENT",
      `Can't read ${JSON.stringify(file)}: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}
