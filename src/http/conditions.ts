/**
 * Owns conditions of requests (RFC 9110): If-Match and If-None-Match, where an ETag is a version in quotes.
 * Must not know the store.
 * Invariant: a condition that can't be understood is refused, never ignored.
 */
import { Refuse } from "../base/web/refuse.ts";

const MAX_TAGS = 100;

/** The version that a write asks for; `undefined` if it does not. @param present The key's version, if there is such a key. */
export function ifMatch(headers: Headers, present: () => number | undefined): number | undefined {
  const text = headers.get("if-match");
  if (text === null) return undefined;
  const version = present();
  if (
    version !== undefined &&
    (text.trim() === "*" || tags(text, "If-Match").some(({ weak, version: tag }) => !weak && tag === version))
  ) {
    return version;
  }
  throw new Refuse(412, "VERSION_CONFLICT", {
    message: version === undefined
      ? "There is no such key, but If-Match asks for one: leave it out, or read again"
      : `The key has version ${version}, not ${text.slice(0, 60)} as If-Match asks: read it again`,
    headers: version === undefined ? {} : { etag: `"${version}"` },
  });
}

/** 0, no such key, if a write asks for that; `undefined` if it does not. */
export function ifNoneMatch(headers: Headers): 0 | undefined {
  const text = headers.get("if-none-match");
  if (text === null) return undefined;
  if (text.trim() === "*") return 0;
  throw new Refuse(400, "CONDITION", {
    message: "With a write, If-None-Match can only be *: the key must not exist yet",
  });
}

/** Whether a read should be answered although it names versions that it has. */
export function matchesNone(text: string, version: number): boolean {
  return text.trim() !== "*" && !tags(text, "If-None-Match").some((tag) => tag.version === version);
}

interface Tag {
  readonly weak: boolean;
  readonly version: number;
}

function tags(text: string, header: string): Tag[] {
  const parts = text.split(",").map((part) => part.trim());
  const found = parts.map((part) => /^(W\/)?"(\d{1,16})"$/.exec(part));
  if (parts.length <= MAX_TAGS && found.every((match) => match !== null)) {
    return found.map((match) => ({ weak: match![1] !== undefined, version: Number(match![2]) }));
  }
  throw new Refuse(400, "CONDITION", {
    message: `${header} is ${
      JSON.stringify(text.slice(0, 60))
    }: write the ETag that an answer had, such as "3", or *`,
  });
}
