/**
 * Owns what the schemas of a pipeline's JSON form are put together from.
 * Must not know what is described.
 * Invariant: every key that is not listed is told.
 */
import * as v from "valibot";
import { MAX_NAME_LENGTH } from "./name.ts";

/** A schema of which only the result counts. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** A schema that says what it is for. */
export function about<T>(schema: Schema<T>, description: string): Schema<T> {
  return v.pipe(schema, v.description(description)) as Schema<T>;
}

/** A schema that chooses by the value's type or keys, for who turns it into JSON Schema. */
export interface Choice {
  readonly name: string;
  readonly options: readonly v.GenericSchema[];
}

const REFUSE = v.custom<never>(() => false);

/** valibot counts an array as an object. Refused here, it gives an issue of the type `custom`, and no other does. */
function noArray<S extends v.GenericSchema>(schema: S): S {
  return {
    ...schema,
    "~run": (dataset, config) => (Array.isArray(dataset.value) ? REFUSE : schema)["~run"](dataset, config),
  };
}

/** An object in which a key that is not listed is a problem of its own (`strictObject` tells only the first). */
export function closed<E extends v.ObjectEntries>(
  entries: E,
): v.ObjectWithRestSchema<E, v.NeverSchema<undefined>, undefined> {
  return noArray(v.objectWithRest(entries, v.never()));
}

/** An object with any keys. */
export function record<T>(schema: Schema<T>): Schema<Record<string, T>> {
  return noArray(v.record(v.string(), schema)) as Schema<Record<string, T>>;
}

/** A key that may be missing. */
export function maybe<T>(schema: Schema<T>, description: string): v.OptionalSchema<Schema<T>, undefined> {
  return v.optional(about(schema, description));
}

/** A name of ours, as a string of bounded length. */
export const name: Schema<string> = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(MAX_NAME_LENGTH),
) as Schema<string>;

/** Whether {@linkcode name} takes it. */
export function isPlainName(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= MAX_NAME_LENGTH;
}
