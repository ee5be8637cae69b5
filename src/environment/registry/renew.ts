/**
 * Owns fetching an environment onto the device that it is to run: its record and what vouches for it, then the executable.
 * Must not know who asked for it, nor how it is started.
 * Invariant: nothing is put on trial but the file that the record names for this machine, with its digest; where keys are
 * trusted, the record is signed by one of them, and is verified before anything else of it is fetched.
 */
import type { Target } from "../document/schema.ts";
import type { Device } from "../device/device.ts";
import type { EnvironmentId } from "../device/standing.ts";
import { MADE_FILE, type MadeFile } from "../made.ts";
import { RegistryError } from "./error.ts";
import { recordOf, recordSignatures } from "./deliver.ts";
import type { RegistryLine } from "./line.ts";
import { blobOf, manifestOf } from "./pull.ts";
import { referenceIn, referredBy } from "./reference.ts";

/** What is needed to renew a device. */
export interface RenewOptions {
  readonly line: RegistryLine;
  readonly device: Device;
  readonly target: Target;
  /** Verifies the record's text. @throws {Error} If it is not to be trusted. Default: whatever the gateway has is. */
  readonly verify?: ((text: string, signatures: readonly string[]) => Promise<void>) | undefined;
  /** Told of the bytes that are here. */
  progress(bytes: number, of: number): void;
}

/** Fetches what is not here yet of an environment's executable, and puts it on trial; its id. @throws {Error} Why not. */
export async function renewDevice(
  text: string,
  { line, device, target, verify, progress }: RenewOptions,
): Promise<EnvironmentId> {
  const reference = referenceIn(text);
  const { repository } = reference;
  const found = await manifestOf(line, repository, referredBy(reference));
  const made = found && await recordOf({ line, repository }, found);
  if (found === undefined || made === undefined) {
    throw new RegistryError(`${text} is no environment at the gateway: push it there`);
  }
  if (verify !== undefined) {
    await verify(made.text, await recordSignatures({ line, repository }, found.descriptor.digest, MADE_FILE));
  }
  const file = made.record.files.find((each) => each.kind === "executable" && each.target === target);
  if (file === undefined) {
    throw new RegistryError(`${text} has no executable for ${target}: build one and push it`);
  }
  await fetchWhole(file, { line, repository, device, progress });
  await device.putOnTrial(file.sha256);
  return file.sha256;
}

/** What was held when the power failed may be spoilt: then all of it is fetched once more. */
async function fetchWhole(
  file: MadeFile,
  { device, ...from }: Omit<Fetching, "from"> & { readonly device: Device },
): Promise<void> {
  for (let again = false;; again = true) {
    const held = await device.held(file);
    await device.take(file, chunksOf(file, { ...from, from: held }));
    try {
      return await device.place(file);
    } catch (error) {
      if (again || held === 0 || await device.held(file) > 0) throw error;
    }
  }
}

interface Fetching {
  readonly line: RegistryLine;
  readonly repository: string;
  readonly from: number;
  readonly progress: RenewOptions["progress"];
}

async function* chunksOf(
  { sha256, bytes }: MadeFile,
  { line, repository, from, progress }: Fetching,
): AsyncGenerator<Uint8Array> {
  let at = from;
  progress(at, bytes);
  const blob = { digest: `sha256:${sha256}`, size: bytes };
  for await (const piece of blobOf(line, repository, { blob, from })) {
    yield piece;
    progress(at += piece.length, bytes);
  }
}
