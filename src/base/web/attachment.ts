/**
 * Owns the headers under which a file of others is answered: to be saved, never to be shown.
 * Must not know which file, nor who asks.
 * Invariant: whatever the bytes are, a browser takes them for nothing that it would run or show, and the name for no path.
 */
import { nameToSave } from "../saved_name.ts";

/** What `filename*` leaves as it is; see RFC 8187. */
const PLAIN = /[^A-Za-z0-9!#$&+.^_`|~-]/g;

/** Headers for a file with this name. */
export function attachment(name: string): Record<string, string> {
  const safe = nameToSave(name);
  const ascii = safe.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(safe).replace(
    PLAIN,
    (sign) => sign === "%" ? sign : `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return {
    "content-disposition": `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`,
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
  };
}
