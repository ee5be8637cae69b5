/**
 * Owns the packages of Debian that an environment takes: found by their names, pinned in the lock, fetched and unpacked.
 * Must not know what they are for.
 * Invariant: a package is one that Debian has signed, or that the lock names by its digest.
 */
import type { Bytes } from "../../base/bytes.ts";
import { pathIn } from "../../runtime/disk.ts";
import type { Target } from "../document/schema.ts";
import { DownloadError, fetchKnown } from "../download.ts";
import { LOCK_FILE, type LockedPackage, lockedPackages } from "../lock.ts";
import type { RootEntry } from "../root/entry.ts";
import { addressIn, type DebianArchitecture, fetchPackageList } from "./archive.ts";
import { debEntries } from "./deb.ts";
import { DebianError } from "./errors.ts";
import { SUITE } from "./keys.ts";
import { debianMirror } from "./mirror.ts";
import type { PackageList } from "./package_list.ts";
import { neededPackages, withNamed } from "./resolve.ts";

/** Which packages are wanted. */
export interface DebianWish {
  /** What for, one word: packages for one purpose are pinned together. */
  readonly purpose: string;
  readonly target: Target;
  /** With all that they need. */
  readonly wanted: readonly string[];
  /** Without what they need. */
  readonly bare: readonly string[];
  /** Packages that do no more than name others, such as the newest kernel: these are taken too, without what they need. */
  readonly standing?: readonly string[];
}

/** Where they are pinned and kept. */
export interface DebianPlaces {
  /** That of environment.json. */
  readonly folder: string;
  readonly cache: string;
  /** Tells a person what is being done. */
  progress(step: string, done?: number, total?: number): void;
}

/** A package with what is in it. */
export interface UnpackedPackage extends LockedPackage {
  readonly entries: readonly RootEntry[];
}

/** Most bytes of all packages together, packed. */
const MAX_BYTES = 2 * 1024 ** 3;

/** Debian's word for a target. @throws {DebianError} If Debian does not run there. */
export function debianArchitecture(target: Target): DebianArchitecture {
  if (target === "linux-x64") return "amd64";
  if (target === "linux-arm64") return "arm64";
  throw new DebianError(`There are packages of Debian for linux-x64 and linux-arm64, and not for ${target}`);
}

/** The packages, by name. @throws {Error} With a `code`, in words. */
export async function debianPackages(wish: DebianWish, places: DebianPlaces): Promise<UnpackedPackage[]> {
  const locked = await lockedPackages(places.folder, {
    of: `debian ${SUITE} ${debianArchitecture(wish.target)} ${wish.purpose}`,
    wanted: [...wish.wanted, ...wish.bare, ...wish.standing ?? []],
    find: async () => {
      const list = await listFor(wish.target, places);
      const { wanted, bare, standing = [] } = wish;
      return neededPackages(list, wanted, [...bare, ...withNamed(list, standing)]).map(pinned);
    },
  });
  const all = locked.reduce((sum, { bytes }) => sum + bytes, 0);
  if (all > MAX_BYTES) {
    throw new DebianError(`The packages have ${all} bytes, more than ${MAX_BYTES}: ask for less`);
  }
  const unpackedPackages: UnpackedPackage[] = [];
  for (const [at, each] of locked.entries()) {
    places.progress(`Debian's packages for ${wish.target}`, at, locked.length);
    unpackedPackages.push({
      ...each,
      entries: await debEntries(await fetchPackage(each, places), each.name),
    });
  }
  return unpackedPackages;
}

async function listFor(target: Target, { cache, progress }: DebianPlaces): Promise<PackageList> {
  progress(`Debian's list of packages for ${target}`);
  return await fetchPackageList(debianArchitecture(target), {
    mirror: await debianMirror(),
    folder: pathIn(cache, "debian"),
  });
}

function pinned({ name, version, path, bytes, sha256 }: LockedPackage): LockedPackage {
  return { name, version, path, bytes, sha256 };
}

async function fetchPackage(locked: LockedPackage, { cache }: DebianPlaces): Promise<Bytes> {
  const folder = pathIn(cache, "debian");
  try {
    const { bytes, sha256 } = locked;
    const url = addressIn(await debianMirror(), locked.path);
    return await fetchKnown({ url, bytes, sha256 }, folder);
  } catch (cause) {
    if (!(cause instanceof DownloadError) || cause.status !== 404) throw cause;
    throw new DebianError(
      `The mirror no longer has ${locked.name} ${locked.version}: remove ${LOCK_FILE} to take the version that it has now, or name a mirror that keeps old ones`,
      { cause },
    );
  }
}
