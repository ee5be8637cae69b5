/**
 * Owns the record of what was made: `environment.made.json`, which lies beside the files and is what inspection, verification,
 * delivery and installation go by.
 * Must not know how anything is made.
 * Invariant: the same files give the same text; what is told of a file is true of what was written.
 */
import * as v from "valibot";
import { closed, type Schema } from "../pipeline/document/shapes.ts";
import { shapeProblems } from "../pipeline/document/issues.ts";
import { readJson } from "../model/json_text.ts";
import { EnvironmentError } from "./document/error.ts";
import { ENVIRONMENT_KINDS, type EnvironmentKind, type Target, TARGETS } from "./document/schema.ts";

/** The name of the record's file. */
export const MADE_FILE = "environment.made.json";

/** A file that was made. */
export interface MadeFile {
  /** Relative to the record, with `/` between folders. */
  readonly name: string;
  readonly kind: EnvironmentKind;
  readonly target?: Target;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** What a registry calls it, where that is not its own digest. */
  readonly digest?: string;
  /** In octal digits; absent for `0644`. */
  readonly mode?: string;
}

/** Something of others that is in what was made. */
export interface UsedPart {
  /** Such as `npm:@oven/bun-linux-x64` or `deb:iperf3`. */
  readonly name: string;
  readonly version: string;
  readonly target?: Target;
  /**
   * `sha512:` or `sha256:` and lower-case hexadecimal, of the package's file. Absent for what is in a bundle: that is
   * made of what lies unpacked, and the files of the record have its digest.
   */
  readonly digest?: string;
  /** As its author writes it. */
  readonly licence?: string;
}

/** What was made. */
export interface MadeRecord {
  readonly outriderMade: 1;
  readonly name: string;
  readonly version?: string;
  /** Version of the Outrider inside. */
  readonly outrider: string;
  readonly kinds: readonly EnvironmentKind[];
  /** By name. */
  readonly files: readonly MadeFile[];
  /** By name. */
  readonly used: readonly UsedPart[];
}

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1_000));
const digest = v.pipe(v.string(), v.regex(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/, "Must be a digest"));
/** No `..`, no root and no `\`: what is read beside a record lies beside it. */
const fileName = v.pipe(
  v.string(),
  v.maxLength(1_000),
  v.regex(
    /^(?!\/)(?!.*\/\/)(?!(.*\/)?\.\.?(\/|$))[^\p{C}\\]+(?<!\/)$/u,
    "Must be a relative path without ..",
  ),
);

const madeSchema = closed({
  outriderMade: v.literal(1),
  name: text,
  version: v.optional(text),
  outrider: text,
  kinds: v.pipe(v.array(v.picklist(ENVIRONMENT_KINDS)), v.maxLength(ENVIRONMENT_KINDS.length)),
  files: v.pipe(
    v.array(closed({
      name: fileName,
      kind: v.picklist(ENVIRONMENT_KINDS),
      target: v.optional(v.picklist(TARGETS)),
      bytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
      sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "Must be 64 hexadecimal digits")),
      digest: v.optional(digest),
      mode: v.optional(v.pipe(v.string(), v.regex(/^0[0-7]{3}$/, "Must be four octal digits"))),
    })),
    v.maxLength(10_000),
  ),
  used: v.pipe(
    v.array(closed({
      name: text,
      version: text,
      target: v.optional(v.picklist(TARGETS)),
      digest: v.optional(digest),
      licence: v.optional(text),
    })),
    v.maxLength(10_000),
  ),
}) as Schema<MadeRecord>;

/** The text of the record. */
export function madeText(record: MadeRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Reads a record that anybody may have written. @throws {EnvironmentError} With all that is wrong. */
export function readMade(source: string, name: string): MadeRecord {
  const { value, problems } = readJson(source, "");
  const all = problems.length > 0 ? problems : shapeProblems(madeSchema, value, {
    schema: madeSchema,
    message: () => undefined,
  });
  if (all.length > 0) throw new EnvironmentError(name, all);
  return value as MadeRecord;
}

/** In the order of the record: by name, then by what it is for. */
export function byName<T extends { readonly name: string; readonly target?: Target }>(
  parts: readonly T[],
): T[] {
  const key = ({ name, target }: T) => `${name} ${target ?? ""}`;
  return [...parts].sort((a, b) => key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
}
