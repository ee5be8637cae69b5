/**
 * Owns the packages of Python that an environment takes, for its own architecture and not for this machine's: found by this
 * machine's pip as it is configured, pinned in the lock by their digests, and unpacked to where Debian's Python looks.
 * Must not know what they are for. Nothing of them is run here: only what is built already, wheels, is taken.
 * Invariant: a wheel is one that the lock names by its digest, or one that pip has just chosen.
 */
import { unzipSync } from "fflate";
import type { Bytes } from "../../base/bytes.ts";
import { digestOf, pathIn, readBytes, writeWhole } from "../../runtime/disk.ts";
import { runtime } from "../../runtime/runtime.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import { readKept } from "../download.ts";
import { type LockedPackage, lockedPackages } from "../lock.ts";
import { passedEnvironment, ran } from "../process.ts";
import { fileEntry, type RootEntry } from "../root/entry.ts";
import { sha256 } from "../../base/bytes.ts";

/** Where they are pinned and kept. */
export interface WheelPlaces {
  /** That of environment.json. */
  readonly folder: string;
  readonly cache: string;
  /** A folder of this build alone. */
  readonly work: string;
  progress(step: string, done?: number, total?: number): void;
}

/** Which are wanted. */
export interface WheelWish {
  readonly target: Target;
  readonly requirements: readonly string[];
  /** The Python that they are for, such as `3.13`. */
  readonly python: string;
}

/** A wheel with what is in it. */
export interface UnpackedWheel extends LockedPackage {
  readonly entries: readonly RootEntry[];
}

const MACHINES: Partial<Readonly<Record<Target, string>>> = {
  "linux-x64": "x86_64",
  "linux-arm64": "aarch64",
};
/** The C libraries that wheels may be built for: from the oldest that is in use to the one of our Debian, 2.41. */
const GLIBC_MINORS: readonly number[] = Array.from({ length: 41 - 17 + 1 }, (_, at) => 41 - at);
/** How pip is called, whichever is there. */
const PIPS: readonly (readonly string[])[] = [["python3", "-m", "pip"], ["pip"], [
  "uv",
  "tool",
  "run",
  "pip",
]];
/** What pip needs: where it is, its settings, the network's. */
const NETWORK =
  /^(PATH|HOME|USER|LANG|LC_\w+|TMPDIR|XDG_\w+|PIP_\w+|UV_\w+|PYENV_\w+|SSL_CERT_\w+|(https?|no|all)_proxy)$/i;
const LIMIT_MS = 900_000;
const MAX_WHEEL_BYTES = 1024 ** 3;
const MAX_FILES = 100_000;

/** The wheels, by name. @throws {EnvironmentError} If pip is not there, or one can't be had. */
export async function wheels(wish: WheelWish, places: WheelPlaces): Promise<UnpackedWheel[]> {
  const machine = MACHINES[wish.target];
  if (machine === undefined) {
    throw new EnvironmentError("requires.python", `Packages can't be put in for ${wish.target}`);
  }
  const locked = await lockedPackages(places.folder, {
    of: `python ${wish.python} ${machine}`,
    wanted: wish.requirements,
    find: () => chosen(wish, machine, places),
  });
  await fetchMissing(locked, { wish, machine, places });
  const all: UnpackedWheel[] = [];
  for (const each of locked) {
    const bytes = await kept(each, places);
    if (bytes === undefined) throw new EnvironmentError("requires.python", `pip did not bring ${each.path}`);
    all.push({ ...each, entries: wheelEntries(bytes, each.path, wish.python) });
  }
  return all;
}

/** Lets pip choose, and keeps what it brings. */
async function chosen(wish: WheelWish, machine: string, places: WheelPlaces): Promise<LockedPackage[]> {
  places.progress(`packages of Python for ${wish.target}`);
  const folder = `${places.work}/wheels-${machine}`;
  await pip([...optionsFor(machine, wish.python), "--dest", folder, ...wish.requirements], folder);
  const found: LockedPackage[] = [];
  for (const file of await runtime.list(folder)) {
    const [, name, version] = /^([\w.]+)-([\w.!+]+)-.*\.whl$/.exec(file) ?? [];
    if (name === undefined) continue;
    const { bytes, digest } = await digestOf(`${folder}/${file}`, "sha256");
    await writeWhole(pathIn(places.cache, `wheels/${digest}`), { path: `${folder}/${file}` });
    found.push({ name, version: version!, path: file, bytes, sha256: digest });
  }
  return found;
}

/** Fetches those of the lock that are not kept: just these, by their digests. */
async function fetchMissing(
  locked: readonly LockedPackage[],
  { wish, machine, places }: { wish: WheelWish; machine: string; places: WheelPlaces },
): Promise<void> {
  const missing: LockedPackage[] = [];
  for (const each of locked) if (await kept(each, places) === undefined) missing.push(each);
  if (missing.length === 0) return;
  places.progress(`packages of Python for ${wish.target}`);
  const folder = `${places.work}/locked-wheels-${machine}`;
  const list = `${folder}/requirements.txt`;
  const lines = missing.map(({ name, version, sha256 }) => `${name}==${version} --hash=sha256:${sha256}\n`);
  await writeWhole(list, { text: lines.join("") });
  const options = [...optionsFor(machine, wish.python), "--no-deps", "--require-hashes", "--dest", folder];
  await pip([...options, "--requirement", list], folder);
  for (const each of missing) {
    const path = `${folder}/${each.path}`;
    await writeWhole(pathIn(places.cache, `wheels/${each.sha256}`), {
      bytes: await readBytes(path, each.bytes),
    });
  }
}

function optionsFor(machine: string, python: string): string[] {
  const platforms = GLIBC_MINORS.map((minor) => `--platform=manylinux_2_${minor}_${machine}`);
  return [
    "--quiet",
    "--only-binary=:all:",
    "--implementation=cp",
    `--python-version=${python}`,
    ...platforms,
  ];
}

async function pip(args: readonly string[], cwd: string): Promise<void> {
  await runtime.makeFolder(cwd);
  let output = "";
  for (const command of PIPS) {
    const end = await ran([...command, "download", ...args], {
      cwd,
      env: passedEnvironment(NETWORK),
      limitMs: LIMIT_MS,
    });
    if (end.code === 0) return;
    output = end.output.trim().split("\n").slice(-4).join(" · ");
    // One that is there has said what is wrong; for want of one, the next is tried.
    if (end.code !== undefined && !/No module named pip/.test(end.output)) break;
  }
  throw new EnvironmentError(
    "requires.python",
    `pip can't bring the packages: ${output || "there is no pip"}`,
  );
}

async function kept(
  { sha256: digest, bytes }: LockedPackage,
  { cache }: WheelPlaces,
): Promise<Bytes | undefined> {
  const found = await readKept(pathIn(cache, `wheels/${digest}`), bytes);
  return found !== undefined && await sha256(found) === digest ? found : undefined;
}

/** What is in a wheel, where Debian's Python finds what is not Debian's. */
export function wheelEntries(wheel: Bytes, file: string, python: string): RootEntry[] {
  const packages = `usr/local/lib/python${python}/dist-packages`;
  let all = 0;
  let count = 0;
  const files = readZip(wheel, file, (size) => {
    all += size;
    count++;
    if (all > MAX_WHEEL_BYTES || count > MAX_FILES) {
      throw new EnvironmentError(
        file,
        `It has more than ${MAX_WHEEL_BYTES} bytes or ${MAX_FILES} files once it is unpacked`,
      );
    }
  });
  return Object.entries(files).filter(([path]) => !path.endsWith("/")).map(([path, bytes]) => {
    if (path.split("/").includes("..") || path.startsWith("/")) {
      throw new EnvironmentError(file, `It has ${JSON.stringify(path)}, which does not lie below its root`);
    }
    const [, kind, rest] = /^[^/]+\.data\/(\w+)\/(.+)$/.exec(path) ?? [];
    const place = kind === undefined || kind === "purelib" || kind === "platlib"
      ? `${packages}/${rest ?? path}`
      : kind === "scripts"
      ? `usr/local/bin/${rest}`
      : `usr/local/${kind === "data" ? "" : `${kind}/`}${rest}`;
    return fileEntry(place, bytes as Bytes, kind === "scripts" ? 0o755 : 0o644);
  });
}

function readZip(
  wheel: Bytes,
  file: string,
  sized: (bytes: number) => void,
): Readonly<Record<string, Uint8Array>> {
  try {
    return unzipSync(wheel, {
      filter: ({ originalSize }) => {
        sized(originalSize);
        return true;
      },
    });
  } catch (cause) {
    if (cause instanceof EnvironmentError) throw cause;
    throw new EnvironmentError(file, "It is no wheel, or damaged: it can't be unpacked", { cause });
  }
}
