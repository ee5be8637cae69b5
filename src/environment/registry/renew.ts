/**
 * Owns fetching an environment onto the device that it is to run: its record and what vouches for it, then what of the
 * executable is not in another one here.
 * Must not know who asked for it, nor how it is started.
 * Invariant: nothing is put on trial but the file that the record names for this machine, with its digest; where keys are
 * trusted, the record is signed by one of them, and is verified before anything else of it is fetched.
 */
import type { Target } from "../document/schema.ts";
import type { Device } from "../device/device.ts";
import type { EnvironmentId } from "../device/standing.ts";
import type { MadeFile } from "../made.ts";
import { type PartId, type Stretch, stretchesOf } from "../parts.ts";
import { RegistryError } from "./error.ts";
import { executableParts, recordOf } from "./deliver.ts";
import type { RegistryLine } from "./line.ts";
import { blobOf, manifestOf } from "./pull.ts";
import { referenceIn, referredBy } from "./reference.ts";
import { recordSignatures } from "./vouchers.ts";

/** What is needed to renew a device. */
export interface RenewOptions {
  readonly line: RegistryLine;
  readonly device: Device;
  readonly target: Target;
  /** Verifies the record's text. @throws {Error} If it is not to be trusted. Default: whatever the gateway has is. */
  readonly verify?: ((text: string, signatures: AsyncIterable<string>) => Promise<void>) | undefined;
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
    await verify(made.text, recordSignatures({ line, repository }, found.descriptor.digest));
  }
  const file = made.record.files.find((each) => each.kind === "executable" && each.target === target);
  if (file === undefined) {
    throw new RegistryError(`${text} has no executable for ${target}: build one and push it`);
  }
  const parts = () => executableParts({ line, repository }, found, { ...file, target });
  await fetchWhole(file, { line, repository, device, parts, progress });
  await device.putOnTrial(file.sha256);
  return file.sha256;
}

interface Fetching {
  readonly line: RegistryLine;
  readonly repository: string;
  readonly device: Device;
  readonly progress: RenewOptions["progress"];
}

/** What was held when the power failed may be spoilt, and the list of parts wrong: then all of it is fetched once more. */
async function fetchWhole(
  file: MadeFile,
  { parts, ...from }: Fetching & { readonly parts: () => Promise<readonly PartId[]> },
): Promise<void> {
  const { device } = from;
  for (let again = false;; again = true) {
    const held = await device.held(file);
    const known = again || held === file.bytes ? [] : await parts();
    const stretches = stretchesOf(file.bytes, known, await device.partsHere(known));
    await device.take(file, chunksOf(file, { ...from, held, stretches }));
    try {
      return await device.place(file);
    } catch (error) {
      const allFetched = held === 0 && stretches.every(({ place }) => place === undefined);
      if (again || allFetched || await device.held(file) > 0) throw error;
    }
  }
}

async function* chunksOf(
  { sha256, bytes }: MadeFile,
  { line, repository, device, progress, held, stretches }: Fetching & {
    readonly held: number;
    readonly stretches: readonly Stretch[];
  },
): AsyncGenerator<Uint8Array> {
  let at = held;
  progress(at, bytes);
  const blob = { digest: `sha256:${sha256}`, size: bytes };
  for (const { from, to, place } of stretches) {
    if (to <= at) continue;
    const pieces = place === undefined
      ? blobOf(line, repository, { blob, from: at, to })
      : device.bytesAt({ ...place, at: place.at + at - from }, to - at);
    for await (const piece of pieces) {
      yield piece;
      progress(at += piece.length, bytes);
    }
  }
}
