/**
 * Owns what the store holds to be a value's text, and when two texts mean the same.
 * Must not know about keys and versions.
 * Invariant: a text that has passed here can be decoded, and encodes to itself.
 */
import { decode, encode, type Value, ValueError } from "../model/value.ts";
import { StoreError } from "./errors.ts";

/**
 * Checks the text of a value, and gives it back as `encode` writes it.
 *
 * @param text JSON, from anywhere.
 * @param options What the text is, for the message, and how many characters it may have.
 * @throws {StoreError} BAD_VALUE or VALUE_TOO_LARGE.
 */
export function valueText(
  text: string,
  options: { readonly what: () => string; readonly limit: number },
): string {
  const { what, limit } = options;
  if (typeof text !== "string") {
    throw new StoreError("BAD_VALUE", `${what()} must be given as JSON text, not as ${typeof text}`);
  }
  if (text.length > limit) {
    throw new StoreError(
      "VALUE_TOO_LARGE",
      `${what()} has ${text.length} characters as JSON, more than ${limit}: write it to a file and share the path`,
    );
  }
  const written = rewrite(text, what);
  if (text.includes('bytes"') && !sameValue(text, written)) {
    throw new StoreError("BAD_VALUE", `${what()} has a "$bytes" that is not base64 text`);
  }
  return written;
}

function rewrite(text: string, what: () => string): string {
  try {
    return encode(decode(text), "value")!;
  } catch (error) {
    const why = error instanceof ValueError
      ? error.message
      : `it is not JSON by the value rule (${(error as Error).message})`;
    throw new StoreError("BAD_VALUE", `${what()} can't be kept, ${why}`, { cause: error });
  }
}

/** Whether two texts mean the same value; the order of keys does not count. */
export function sameValue(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  return canonical(JSON.parse(one) as Value) === canonical(JSON.parse(other) as Value);
}

function canonical(value: Value): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const entries = Object.entries(value as Record<string, Value>).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}
