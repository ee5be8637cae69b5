/**
 * Owns what holds in all dialects of our own: how ids are written, and how large a bundle may be.
 * Must not know any dialect.
 */
import * as v from "valibot";
import { Id } from "../../protocol/words.ts";
import { IdError } from "../errors.ts";

/** Largest bundle that is taken, bytes. */
export const MAX_BUNDLE_BYTES: number = 64 * 1024 * 1024;

/** @throws {IdError} If an id has characters that no gateway takes, or is too long. */
export function checkIds(
  { executor, experiment, groups }: {
    readonly executor: string;
    readonly experiment?: string | undefined;
    readonly groups?: readonly string[];
  },
): void {
  const named: [string, string | undefined][] = [
    ["OUTRIDER_EXECUTOR_ID", executor],
    ["OUTRIDER_EXPERIMENT_ID", experiment],
    ...(groups ?? []).map((group): [string, string] => ["A group", group]),
  ];
  for (const [what, id] of named) {
    if (id === undefined || v.safeParse(Id, id).success) continue;
    throw new IdError(
      `${what} is ${
        JSON.stringify(id.slice(0, 200))
      }: write 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -`,
    );
  }
}
