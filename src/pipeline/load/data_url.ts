/**
 * Owns modules that lie in a `data:` URL.
 * Must not know what the modules do.
 * Invariant: the URLs it gives are in base64, since Bun finds no exports in a `data:` URL that is not.
 */

import { toBase64 } from "../../base/base64.ts";

/** The `data:` URL of a module's JavaScript. */
export function moduleOf(code: string): string {
  return `data:text/javascript;base64,${toBase64(new TextEncoder().encode(code))}`;
}

/** The same `data:` URL in base64. @returns What is wrong with it, as an error to be told, if it can't be read. */
export function inBase64(url: string): string | Error {
  const match = /^data:([^,]*),(.*)$/is.exec(url);
  const type = match?.[1] ?? "";
  if (/;\s*base64\s*$/i.test(type)) return url;
  try {
    if (/^(text|application)\/(x-)?javascript\s*(;|$)/i.test(type)) {
      return moduleOf(decodeURIComponent(match![2]!));
    }
  } catch {
    return new Error("Can't read the data: URL: a % in it is not followed by two hexadecimal digits");
  }
  return new Error(
    `Can't use a data: URL of the type ${JSON.stringify(type.slice(0, 60))}: write data:text/javascript,…`,
  );
}
