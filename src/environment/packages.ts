/**
 * Owns which packages files come from that a package manager has put into folders `node_modules`.
 * Must not know what the files are used for.
 * Invariant: a package is told once, by what it says of itself; in the order of names, whatever the order of the files.
 */
import { readJson } from "../model/json_text.ts";
import { pathIn } from "../runtime/disk.ts";
import { runtime } from "../runtime/runtime.ts";

/** A package whose code is in a bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** As its author writes it: mostly an SPDX expression. */
  readonly licence?: string;
}

/** Largest `package.json`, bytes. */
const MAX_BYTES = 1024 * 1024;
/** Longest name, version or licence that is told, characters. */
const MAX_TEXT = 200;

/** The packages that files come from. @param paths Absolute. */
export async function packagesOf(paths: readonly string[]): Promise<readonly BundledPackage[]> {
  const folders = new Set(
    paths.map((path) => /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+(?=[/\\])/.exec(path)?.[0]),
  );
  const found = new Map<string, BundledPackage>();
  for (const folder of folders) {
    if (folder === undefined) continue;
    const one = await packageIn(folder);
    found.set(`${one.name} ${one.version}`, one);
  }
  return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([, one]) => one);
}

/** What a package says of itself; one that says nothing has the name of its folder. */
async function packageIn(folder: string): Promise<BundledPackage> {
  const said = await packageJson(pathIn(folder, "package.json"));
  const folderName = /(?:@[^/\\]+[/\\])?[^/\\]+$/.exec(folder)![0].replace("\\", "/");
  const licence = licenceIn(said);
  return {
    name: textOf(said["name"]) ?? folderName,
    version: textOf(said["version"]) ?? "unknown",
    ...(licence !== undefined && { licence }),
  };
}

async function packageJson(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const said = readJson(await runtime.readText(path, MAX_BYTES), path).value;
    return typeof said === "object" && said !== null ? said as Readonly<Record<string, unknown>> : {};
  } catch {
    // It is bundled all the same: that it is there is told.
    return {};
  }
}

/** `license`, or the older forms: an object with a `type`, or a list of these, of which one may choose. */
function licenceIn({ license, licenses }: Readonly<Record<string, unknown>>): string | undefined {
  const one = (said: unknown) => textOf(said) ?? textOf((said as { readonly type?: unknown } | null)?.type);
  const all = Array.isArray(licenses) ? licenses.map(one).filter((each) => each !== undefined) : [];
  return one(license) ?? (all.length > 0 ? textOf(all.join(" OR ")) : undefined);
}

function textOf(said: unknown): string | undefined {
  return typeof said === "string" && said !== "" && said.length <= MAX_TEXT ? said : undefined;
}
