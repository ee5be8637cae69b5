/**
 * Owns what is known of the programs that executables are made of: which package holds each, and its digests.
 * Must not know how any of it is got.
 */
import { EnvironmentError } from "../document/error.ts";
import { type BaseName, BASES, type Target, TARGETS } from "../document/schema.ts";
import type { UsedPart } from "../made.ts";
import type { Base } from "./base_form.ts";
import { BASE_LIST } from "./base_list.ts";

/** What is known of a base. @throws {EnvironmentError} If it is not made for that target. */
export function baseOf(name: BaseName, target: Target): Base {
  const base = BASE_LIST[name][target];
  if (base !== undefined) return base;
  const others = BASES.filter((each) => BASE_LIST[each][target] !== undefined);
  throw new EnvironmentError(
    `The executable for ${target}`,
    others.length === 0
      ? `None of ${BASES.join(", ")} is made for it`
      : `There is no package of ${name} for it: take "runtime": ${
        others.map((each) => JSON.stringify(each)).join(" or ")
      }`,
  );
}

/** The target that this machine is. */
export function hostTarget(host: string): Target {
  const target = TARGETS.find((each) => each === host);
  if (target !== undefined) return target;
  throw new EnvironmentError(
    "environment build",
    `Executables can't be made on ${host}: ${TARGETS.join(", ")} can`,
  );
}

/** A base as the record of what was made names it. */
export function usedBase({ package: name, version, sha512 }: Base, target: Target): UsedPart {
  return { name: `npm:${name}`, version, target, digest: `sha512:${sha512}` };
}
