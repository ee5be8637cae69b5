/**
 * Owns how what comes from elsewhere stands in a message: a text, and what was thrown.
 * Must not know what the message says.
 */

/** What was thrown, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A text in quotes, short. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
