/**
 * Owns `environment.lock.json`: which packages were taken, by their digests, so that the next build takes the same.
 * Must not know where packages come from.
 * Invariant: the same environment and lock give the same bytes; of one kind and architecture there is one set.
 */
import * as v from "valibot";
import { shapeProblems } from "../pipeline/document/issues.ts";
import { readJson } from "../model/json_text.ts";
import { closed, type Schema } from "../pipeline/document/shapes.ts";
import { pathIn, writeWhole } from "../runtime/disk.ts";
import { runtime } from "../runtime/runtime.ts";
import { EnvironmentError } from "./document/error.ts";

/** The name of the lock's file, beside environment.json. */
export const LOCK_FILE = "environment.lock.json";

/** A package that was taken. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Where it lies: a path in a mirror, or the name of a file. */
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** Packages that were taken together. */
export interface LockedSet {
  /** What they are for: kind of packages and architecture, such as `debian amd64`. */
  readonly of: string;
  /** What was asked for, sorted. */
  readonly wanted: readonly string[];
  readonly packages: readonly LockedPackage[];
}

interface LockDocument {
  readonly outriderLock: 1;
  readonly sets: readonly LockedSet[];
}

const MAX_LOCK_BYTES = 16 * 1024 ** 2;
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1_000));
/** One word, which is no option of who is asked for it. */
const word = v.pipe(text, v.regex(/^[A-Za-z0-9][^\s\p{C}]*$/u, "Must be one word"));
const lockSchema = closed({
  outriderLock: v.literal(1),
  sets: v.array(closed({
    of: text,
    wanted: v.array(text),
    packages: v.array(closed({
      name: word,
      version: word,
      path: v.pipe(
        text,
        v.regex(
          /^(?!\/)(?!.*\/\/)(?!(.*\/)?\.\.?(\/|$))[^\p{C}\\?#]+$/u,
          "Must be a relative path without ..",
        ),
      ),
      bytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
      sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "Must be 64 hexadecimal digits")),
    })),
  })),
}) as Schema<LockDocument>;

/**
 * The packages of a set: those of the lock, if just these were asked for, else those that are found now, which join the lock.
 *
 * @param folder That of environment.json.
 * @throws {EnvironmentError} If the lock can't be read: with all that is wrong.
 */
export async function lockedPackages(
  folder: string,
  { of, wanted, find }: {
    readonly of: string;
    readonly wanted: readonly string[];
    readonly find: () => Promise<readonly LockedPackage[]>;
  },
): Promise<readonly LockedPackage[]> {
  const asked = [...new Set(wanted)].sort();
  const known = (await readLock(folder)).find((set) => set.of === of);
  if (known !== undefined && known.wanted.join(" ") === asked.join(" ")) return known.packages;
  const packages = await find();
  // Read anew, since another kind or target may have come between.
  const others = (await readLock(folder)).filter((set) => set.of !== of);
  const sets = [...others, { of, wanted: asked, packages }].sort((a, b) => a.of < b.of ? -1 : 1);
  await writeWhole(pathIn(folder, LOCK_FILE), {
    text: `${JSON.stringify({ outriderLock: 1, sets }, null, 2)}\n`,
  });
  return packages;
}

async function readLock(folder: string): Promise<readonly LockedSet[]> {
  if (!(await runtime.list(folder)).includes(LOCK_FILE)) return [];
  const { value, problems } = readJson(await runtime.readText(pathIn(folder, LOCK_FILE), MAX_LOCK_BYTES), "");
  const all = problems.length > 0 ? problems : shapeProblems(lockSchema, value, {
    schema: lockSchema,
    message: () => undefined,
  });
  if (all.length > 0) throw new EnvironmentError(LOCK_FILE, all);
  return (value as LockDocument).sets;
}
