/**
 * Owns how a module's path becomes a URL.
 * Must not know what is in a module, nor load one.
 * Invariant: every URL it gives is an absolute `file:` or `data:` URL.
 */
import { inBase64 } from "./data_url.ts";
import { show } from "../../model/problem.ts";

/**
 * The absolute URL of a module as written in a manifest.
 *
 * @param written A path, relative to `base` or absolute, or a `file:` or `data:` URL. In a path, `?`, `#` and `%` stand for themselves.
 * @returns The URL, or an error to be told.
 */
export function resolveModule(written: string, base: string): string | Error {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(written)?.[1]?.toLowerCase();
  if (scheme === "data") return inBase64(written);
  if (scheme !== undefined && scheme !== "file") {
    return new Error(`Can't use ${show(written)}: a module is a path, or a file: or data: URL`);
  }
  const path = /^[a-z]:[\\/]/i.test(written) ? `/${written}` : written;
  const reference = scheme === "file"
    ? written
    : path.replace(/[%?#]/g, (character) => encodeURIComponent(character));
  try {
    return new URL(reference, base).href;
  } catch {
    return new Error(
      `Can't resolve ${show(written)} against ${show(base)}: use an absolute path or a file: URL`,
    );
  }
}

/**
 * Why a module can't be imported from where it lies, though it may be there: not every runtime can (Bun no `?`, Node and Bun
 * no `\\`), and what one finds all are to find.
 */
export function unimportable(url: string): string | undefined {
  // Asked of each task: what looks for the part of the path looks at every beginning of it.
  if (!url.startsWith("file:") || !/%(?:3f|5c)/i.test(url)) return undefined;
  const part = /[^/]*%(?:3f|5c)[^/]*/i.exec(url)?.[0];
  return part === undefined
    ? undefined
    : `No module can be imported from ${show(decodeURIComponent(part))}: not every runtime takes a ${
      /%3f/i.test(part) ? '"?"' : "backslash"
    } in a path; rename that file or folder`;
}
