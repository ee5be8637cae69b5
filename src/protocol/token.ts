/**
 * Owns the check of a token before it is put into a header.
 * Must not know where it came from or what it opens.
 * Invariant: a message about a token never shows any of it.
 */

/** The token can't be sent as it is. */
export class TokenError extends Error {
  readonly code = "OUTRIDER_TOKEN";
  override name = "TokenError";
  /** The same request will not work later. */
  readonly transient = false;
}

/** Longest token, characters. */
export const MAX_TOKEN_LENGTH = 4096;

/** What a token may be configured by: a variable with the token, and one with the name of a file. */
export interface TokenNames {
  readonly value: string;
  readonly file: string;
}

const EXECUTORS: TokenNames = { value: "OUTRIDER_TOKEN", file: "OUTRIDER_TOKEN_FILE" };

/**
 * The token, if it can stand in an `Authorization` header.
 *
 * @param token What was configured; a token from a file comes here without the line break at the file's end.
 * @param names What it was configured by.
 * @throws {TokenError} If it is empty, too long, or holds a line break, a space or a character outside ASCII.
 */
export function checkToken(token: string, { value, file }: TokenNames = EXECUTORS): string {
  if (token === "") {
    throw new TokenError(`The token is empty: leave ${value} unset, or give it a value`);
  }
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new TokenError(
      `The token has ${token.length} characters, more than ${MAX_TOKEN_LENGTH}: check that ${file} names the file with the token`,
    );
  }
  const at = token.search(/[^\x21-\x7e]/);
  if (at < 0) return token;
  throw new TokenError(
    `The token has ${nameOf(token.charCodeAt(at))} at character ${
      at + 1
    } of ${token.length}: write it on one line, without quotes or spaces, for example with "printf %s"`,
  );
}

/** The token in a file's text: one line, whose end is no part of it. */
export function tokenIn(text: string): string {
  return checkToken(text.replace(/\r?\n$/, ""));
}

function nameOf(code: number): string {
  if (code === 0x0a || code === 0x0d) return "a line break";
  if (code === 0x20 || code === 0x09 || code === 0xa0) return "a space";
  return code < 0x20 || code === 0x7f ? "a control character" : "a character outside ASCII";
}
