/**
 * Owns how is written what must be there before anything runs: the schema of `requires`, and several of them as one.
 * Must not know how it is looked for (run/requires/), nor how builders put it in.
 * Invariant: whatever passes can stand in a file, a unit and a command line as it is: no spaces, no line breaks.
 */
import * as v from "valibot";
import { CAPABILITIES, type Capability } from "../../model/capability.ts";
import { show } from "../../model/problem.ts";
import { SIZE, sizeOf } from "../../model/size.ts";
import { LIMITS, type RequiredPackages, type Requires } from "./manifest.ts";
import { closed, maybe, type Schema } from "./shapes.ts";

/** A number, as versions of Python packages are made of. */
const VERSION = String
  .raw`v?(?:\d{1,9}!)?\d{1,9}(?:\.\d{1,9})*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview|post|rev|r|dev)[-_.]?\d{0,9})*`;
const CLAUSE = String.raw`(?:(?:~=|>=|<=|>|<)${VERSION}|(?:==|!=)${VERSION}(?:\.\*)?)`;

/** A requirement of a Python package: name, extras, versions. */
export const PYTHON_REQUIREMENT: RegExp = new RegExp(
  String
    .raw`^([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:\[[\w.-]+(?:,[\w.-]+)*\])?((?:${CLAUSE}(?:,${CLAUSE})*)?)$`,
);

function list(form: RegExp, words: string): Schema<string[]> {
  const entry = v.pipe(
    v.string(),
    v.maxLength(LONGEST),
    v.regex(form, (issue) => `${words}; received ${show(issue.input)}`),
  );
  return v.pipe(v.array(entry), v.maxLength(LIMITS.required)) as Schema<string[]>;
}

/** Longest entry, in characters. */
const LONGEST = 200;

/** The schema of `requires`, of a task and of an environment. */
export const requiresSchema: Schema<Requires> = closed({
  commands: maybe(
    list(
      /^(?:[A-Za-z0-9_[][\w.+@:-]*|\/[^\s\0]+)$/,
      "Must be the name of a program, such as tcpdump, or its absolute path: no arguments, no spaces",
    ),
    "Programs: names that are looked for in PATH, or absolute paths.",
  ),
  packages: maybe(
    closed({
      debian: maybe(
        list(
          /^[a-z0-9][a-z0-9+.-]+$/,
          "Must be the name of a package of Debian, such as iputils-ping: small letters, digits, + - and .",
        ),
        "Packages of Debian.",
      ),
    }) as Schema<RequiredPackages>,
    "Packages of the system; builders of environments put them in.",
  ),
  python: maybe(
    list(
      PYTHON_REQUIREMENT,
      "Must be a name with versions, such as numpy or scapy>=2.5,<3: no spaces, markers or addresses",
    ),
    "Python packages, as requirements of a name and versions; builders put them in.",
  ),
  capabilities: maybe(
    v.pipe(v.array(v.picklist(CAPABILITIES)), v.maxLength(LIMITS.required)) as Schema<Capability[]>,
    "Linux capabilities without CAP_, such as NET_RAW.",
  ),
  devices: maybe(
    list(
      /^\/dev(?:\/(?!\.{1,2}(?:\/|$))[^\s\0/]+)+$/,
      "Must be a path below /dev/, such as /dev/ttyUSB0: no spaces, no ..",
    ),
    "Paths below /dev/.",
  ),
  memory: maybe(
    v.pipe(
      v.string(),
      v.regex(SIZE, (issue) => `Must be a size such as 512MiB; received ${show(issue.input)}`),
    ) as Schema<string>,
    "The least memory of the device, or of the container, such as 512MiB.",
  ),
}) as Schema<Requires>;

/** What several things require, as one: each entry once, sorted, and the most memory. */
export function together(all: readonly Requires[]): Requires {
  const lists = {
    commands: union(all, ({ commands }) => commands),
    python: union(all, ({ python }) => python),
    capabilities: union(all, ({ capabilities }) => capabilities),
    devices: union(all, ({ devices }) => devices),
  };
  const debian = union(all, ({ packages }) => packages?.debian);
  const memory = all.flatMap(({ memory }) => memory ?? []).sort((a, b) => requiredBytes(a) - requiredBytes(b))
    .at(-1);
  const some = Object.entries(lists).filter(([, entries]) => entries.length > 0);
  return {
    ...Object.fromEntries(some),
    ...(debian.length > 0 && { packages: { debian } }),
    ...(memory !== undefined && { memory }),
  };
}

function union(
  all: readonly Requires[],
  of: (requires: Requires) => readonly string[] | undefined,
): string[] {
  return [...new Set(all.flatMap((requires) => of(requires) ?? []))].sort();
}

/** The bytes of a size; those of one that no machine can count are more than any has. */
export function requiredBytes(size: string): number {
  return sizeOf(size) ?? Infinity;
}
