/**
 * Owns what a mirror has: packages by name, and which of them stand for another name.
 * Must not know which are wanted.
 * Invariant: what was not asked for is not read, since a list has 60,000 packages.
 */
import { fieldOf } from "./control.ts";
import { DebianError } from "./errors.ts";
import { compareVersions } from "./versions.ts";

/** One of several packages that a package needs. */
export interface Alternative {
  readonly name: string;
  /** Such as `>= 2.38`. */
  readonly version?: { readonly relation: string; readonly than: string };
}

/** A package as a list has it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Its place: the archive, and the path within. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** What it needs: of each, one. */
  readonly needs: readonly (readonly Alternative[])[];
  readonly provides: readonly Alternative[];
}

/** What a mirror has: the release, and what was mended since. */
export type DebianArchive = "main" | "security";

/** A list of an archive. */
export interface ListText {
  readonly archive: DebianArchive;
  readonly text: string;
}

/** All lists of one architecture. */
export class PackageList {
  /** Paragraphs by name of the package. */
  readonly #paragraphs: Map<string, { readonly archive: DebianArchive; readonly paragraph: string }[]> =
    new Map();
  /** Names of packages by the name that they stand for. */
  readonly #providers: Map<string, Set<string>> = new Map();

  constructor(lists: readonly ListText[]) {
    for (const { archive, text } of lists) {
      for (const paragraph of text.split("\n\n")) this.#add(archive, paragraph);
    }
  }

  #add(archive: DebianArchive, paragraph: string): void {
    const name = /^Package: (\S+)/.exec(paragraph)?.[1];
    if (name === undefined) return;
    put(this.#paragraphs, name, { archive, paragraph });
    const provides = fieldOf(paragraph, "Provides");
    if (provides === undefined) return;
    for (const [{ name: provided } = { name }] of readNeeds(provides)) {
      const providers = this.#providers.get(provided) ?? new Set();
      this.#providers.set(provided, providers.add(name));
    }
  }

  /** All versions of a package, the newest first. */
  versions(name: string): DebianPackage[] {
    const found = (this.#paragraphs.get(name) ?? []).map(({ archive, paragraph }) =>
      read(archive, paragraph)
    );
    return found.sort((a, b) => compareVersions(b.version, a.version));
  }

  /** Names of the packages that stand for a name, sorted. */
  providers(name: string): string[] {
    return [...this.#providers.get(name) ?? []].sort();
  }
}

/** Of a field such as `Depends: a (>= 1) | b, c`. */
export function readNeeds(field: string): Alternative[][] {
  return field.split(",").filter((each) => each.trim() !== "").map((each) =>
    each.split("|").map((alternative) => {
      const [, name, relation, than] =
        /^\s*([a-z0-9][a-z0-9+.-]+)(?::\w+)?(?:\s*\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?\s*$/.exec(
          alternative,
        ) ??
          [];
      if (name === undefined) {
        throw new DebianError(`A package needs ${JSON.stringify(alternative.trim())}, which can't be read`);
      }
      return relation === undefined ? { name } : { name, version: { relation, than: than! } };
    })
  );
}

function read(archive: DebianArchive, paragraph: string): DebianPackage {
  const field = (name: string): string => fieldOf(paragraph, name) ?? "";
  const name = field("Package");
  const bytes = Number(field("Size"));
  const sha256 = field("SHA256");
  const path = field("Filename").replace(/^(\.\/)+/, "");
  if (!/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(bytes) || !isPath(path)) {
    throw new DebianError(`The list of packages says no size, digest or place of ${name}`);
  }
  return {
    name,
    version: field("Version"),
    path: `${archive}/${path}`,
    bytes,
    sha256,
    needs: readNeeds([field("Pre-Depends"), field("Depends")].join(",")),
    provides: readNeeds(field("Provides")).flat(),
  };
}

function isPath(path: string): boolean {
  return /^[\w.+~%:-]+(\/[\w.+~%:-]+)*$/.test(path) && !/(^|\/)\.\.?(\/|$)/.test(path);
}

function put<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
