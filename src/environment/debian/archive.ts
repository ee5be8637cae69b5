/**
 * Owns the lists of packages that a mirror has, with the updates for security: fetched, and held to Debian's signature.
 * Must not know which packages are wanted.
 * Invariant: a list is given back only if its digest was signed by Debian.
 */
import { systemClock } from "../../base/clock.ts";
import { DownloadError, fetchBytes, fetchKnown } from "../download.ts";
import { unpacked } from "../unpacked.ts";
import { DebianError } from "./errors.ts";
import { DEBIAN_KEYS, SUITE } from "./keys.ts";
import type { SigningKey } from "./openpgp.ts";
import { type DebianArchive, type ListText, PackageList } from "./package_list.ts";
import { readRelease, type Release } from "./release.ts";

/** Architectures, as Debian calls them. */
export type DebianArchitecture = "amd64" | "arm64";

const MAX_RELEASE_BYTES = 4 * 1024 ** 2;
const MAX_LIST_BYTES = 256 * 1024 ** 2;

/** What lists are fetched by. */
export interface MirrorOptions {
  readonly mirror: string;
  /** Where what was fetched is kept. */
  readonly folder: string;
  /** Default: Debian's. */
  readonly keys?: readonly SigningKey[];
}

/** The lists of one architecture. @throws {DebianError} If one can't be trusted. @throws {DownloadError} If one can't be had. */
export async function fetchPackageList(
  architecture: DebianArchitecture,
  options: MirrorOptions,
): Promise<PackageList> {
  const lists: ListText[] = [];
  for (const archive of ["main", "security"] as const) {
    lists.push({ archive, text: await fetchList(archive, architecture, options) });
  }
  return new PackageList(lists);
}

/** The address of what lies in an archive of a mirror: updates for security are beside the release. */
export function addressIn(mirror: string, path: string): string {
  const [archive, ...rest] = path.split("/");
  return `${mirror}${archive === "security" ? "-security" : ""}/${rest.map(encodeURIComponent).join("/")}`;
}

async function fetchList(
  archive: DebianArchive,
  architecture: DebianArchitecture,
  { mirror, folder, keys = DEBIAN_KEYS }: MirrorOptions,
): Promise<string> {
  const suite = archive === "security" ? `${SUITE}-security` : SUITE;
  const base = addressIn(mirror, `${archive}/dists/${suite}`);
  const message = new TextDecoder().decode(await fetchBytes(`${base}/InRelease`, MAX_RELEASE_BYTES));
  const release = await readRelease(message, { suite, keys, now: systemClock.now() }).catch((error) => {
    throw new DebianError(`${base}/InRelease can't be trusted: ${error.message}`, { cause: error });
  });
  const path = `main/binary-${architecture}/Packages`;
  const packed = await fetchFile(base, { release, paths: [`${path}.xz`, `${path}.gz`, path], folder });
  return new TextDecoder().decode(await unpacked(packed, MAX_LIST_BYTES));
}

/** The first of several forms of a file that the mirror has. */
async function fetchFile(
  base: string,
  { release, paths, folder }: { release: Release; paths: readonly string[]; folder: string },
): Promise<Uint8Array<ArrayBuffer>> {
  let missing: unknown;
  for (const path of paths) {
    const file = release.files.get(path);
    if (file === undefined || file.bytes > MAX_LIST_BYTES) continue;
    const place = release.byHash ? path.replace(/[^/]+$/, `by-hash/SHA256/${file.sha256}`) : path;
    try {
      return await fetchKnown({ ...file, url: `${base}/${place}` }, folder);
    } catch (error) {
      if (!(error instanceof DownloadError) || error.status !== 404) throw error;
      missing = error;
    }
  }
  throw new DebianError(`The mirror has no list of packages at ${base}/${paths[0]}`, { cause: missing });
}
