/**
 * Owns the reading of what a device was given: the document of `carried_environment.ts`.
 * Must not know where it lay.
 * Invariant: what was read has the shape that it is to have; the pipeline's own hash is checked when it is loaded.
 */
import * as v from "valibot";
import { shapeProblems } from "../../pipeline/document/issues.ts";
import { readJson } from "../../model/json_text.ts";
import { requiresSchema } from "../../pipeline/document/requires.ts";
import { closed, type Schema } from "../../pipeline/document/shapes.ts";
import type { CarriedEnvironment } from "../carried_environment.ts";
import { EnvironmentError } from "./error.ts";

const variable = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "Must be a variable's name"));

const carriedSchema = closed({
  outriderCarried: v.literal(1),
  name: v.string(),
  version: v.optional(v.string()),
  env: v.optional(v.record(variable, v.string())),
  secrets: v.optional(v.array(variable)),
  requires: v.optional(requiresSchema),
  pipeline: v.optional(v.looseObject({})),
}) as Schema<CarriedEnvironment>;

/** Reads it. @throws {EnvironmentError} With all that is wrong. */
export function readCarried(text: string, name: string): CarriedEnvironment {
  const { value, problems } = readJson(text, "");
  const words = { schema: carriedSchema, message: () => undefined };
  const all = problems.length > 0 ? problems : shapeProblems(carriedSchema, value, words);
  if (all.length > 0) throw new EnvironmentError(name, all);
  return value as CarriedEnvironment;
}
