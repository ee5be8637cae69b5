/**
 * Owns what the root of an image or a disk is made of, part by part, from what hardly ever changes to what changes most.
 * Must not know how a part is packed.
 * Invariant: the pipeline, and all else that is the environment's own word, is in the last part alone.
 */
import { readBytes } from "../../runtime/disk.ts";
import type { BuildInput, BuildOutput } from "../builders/builder.ts";
import { debianArchitecture, debianPackages, type UnpackedPackage } from "../debian/packages.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import { placedBytes } from "../placed.ts";
import { wheels } from "../python/wheels.ts";
import { Below, fileEntry, folderEntry, type RootEntry } from "./entry.ts";
import {
  CERTIFICATES,
  installedEntries,
  STATE_FOLDER,
  systemEntries,
  systemPackages,
  USER_ID,
} from "./system.ts";

/** One part. */
export interface RootPart {
  /** What it is, for people. */
  readonly about: string;
  readonly entries: readonly RootEntry[];
}

/** The program. */
export const PROGRAM = "/usr/bin/outrider";
/** What the program reads at the start. */
export const CARRIED = "/opt/outrider/environment.json";

/** Debian's package of Python. */
const PYTHON = "python3";

/** What the program is started with, wherever it stands. */
export const PROGRAM_ENV: readonly string[] = [
  `HOME=${STATE_FOLDER}`,
  `OUTRIDER_ENVIRONMENT=${CARRIED}`,
  `OUTRIDER_STATE_DIR=${STATE_FOLDER}`,
];
/** What it is started with on our own system. */
export const SYSTEM_ENV: readonly string[] = [
  "PATH=/usr/local/bin:/usr/bin:/usr/sbin",
  `SSL_CERT_FILE=${CERTIFICATES}`,
];

/** The most that the program, or a file of the environment, may have. */
const MAX_FILE_BYTES = 1024 ** 3;

/** The parts for a target. @param below What they stand on. @throws {Error} With a `code`, in words. */
export async function rootParts(
  input: BuildInput,
  target: Target,
  { out, below = [] }: { readonly out: BuildOutput; readonly below?: readonly RootEntry[] },
): Promise<RootPart[]> {
  const there = new Below(below);
  const parts = [
    ...input.environment.base === undefined ? await systemParts(input, target, out) : baseParts(input),
    { about: "program", entries: [await programEntry(input, target)] },
    { about: "files", entries: await placedEntries(input) },
    { about: "environment", entries: [fileEntry(CARRIED, await input.carried())] },
  ];
  return parts.filter(({ entries }) => entries.length > 0).map(({ about, entries }) => ({
    about,
    entries: there.put(entries),
  }));
}

/** On a base of one's own: it brings the C library, and all that tasks need. */
function baseParts({ environment: { requires } }: BuildInput): RootPart[] {
  if ([...requires?.packages?.debian ?? [], ...requires?.python ?? []].length > 0) {
    throw new EnvironmentError(
      "base",
      "Packages are put onto no base but our own: have them in the base, or leave the base out",
    );
  }
  return [{ about: "state", entries: [folderEntry(STATE_FOLDER, 0o750, USER_ID)] }];
}

async function systemParts(input: BuildInput, target: Target, out: BuildOutput): Promise<RootPart[]> {
  const { environment } = input;
  const bare = systemPackages(environment.runtime ?? "bun");
  const { packages: { debian = [] } = {}, python = [] } = environment.requires ?? {};
  // Who wants packages of Python wants a Python.
  const wanted = python.length > 0 ? [...debian, PYTHON] : debian;
  const packages = await debianPackages({ purpose: "root", target, wanted, bare }, input);
  for (const { name, version, sha256 } of packages) {
    out.used({ name: `deb:${name}`, version, target, digest: `sha256:${sha256}` });
  }
  const [system, added] = split(packages, new Set(bare.filter((name) => !wanted.includes(name))));
  const architecture = debianArchitecture(target);
  const installed = installedEntries(added, architecture);
  return [
    { about: "system", entries: systemEntries(system, architecture) },
    { about: "packages", entries: [...added.flatMap(({ entries }) => entries), ...installed] },
    { about: "Python", entries: await pythonEntries(input, { target, packages, out }) },
  ];
}

/** Packages of Python, for the Python that is in the root. */
async function pythonEntries(
  input: BuildInput,
  { target, packages, out }: {
    readonly target: Target;
    readonly packages: readonly UnpackedPackage[];
    readonly out: BuildOutput;
  },
): Promise<RootEntry[]> {
  const requirements = input.environment.requires?.python ?? [];
  const version = packages.find(({ name }) => name === PYTHON)?.version;
  if (requirements.length === 0 || version === undefined) return [];
  const python = version.replace(/^(\d+\.\d+).*$/, "$1");
  const found = await wheels({ target, requirements, python }, input);
  for (const { name, version, sha256 } of found) {
    out.used({ name: `pypi:${name}`, version, target, digest: `sha256:${sha256}` });
  }
  return found.flatMap(({ entries }) => entries);
}

function split(
  packages: readonly UnpackedPackage[],
  names: ReadonlySet<string>,
): [UnpackedPackage[], UnpackedPackage[]] {
  return [packages.filter(({ name }) => names.has(name)), packages.filter(({ name }) => !names.has(name))];
}

async function programEntry(input: BuildInput, target: Target): Promise<RootEntry> {
  return fileEntry(PROGRAM, await readBytes(await input.executable(target), MAX_FILE_BYTES), 0o755);
}

async function placedEntries(input: BuildInput): Promise<RootEntry[]> {
  const placed: RootEntry[] = [];
  for (const [path, { mode = "0644" }] of Object.entries(input.environment.files ?? {})) {
    placed.push(fileEntry(path, await placedBytes(input, path, MAX_FILE_BYTES), parseInt(mode, 8)));
  }
  return placed;
}
