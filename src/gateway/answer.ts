/**
 * Owns the gateway's answers in JSON.
 * Must not know what is answered.
 */
import { sha256 } from "../base/bytes.ts";

/** A value as JSON. */
export function json(value: unknown, status: number = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } });
}

/** The same for who asks over and over: nothing is told again that is known. */
export async function tagged(request: Request, value: unknown): Promise<Response> {
  const text = JSON.stringify(value);
  const etag = await textTag(text);
  const headers = { etag, "cache-control": "no-cache" };
  if (isKnown(request, etag)) return new Response(null, { status: 304, headers });
  return new Response(text, { headers: { ...headers, "content-type": "application/json" } });
}

/** Whether who asks has already what an ETag names, which a proxy that packs answers has made a weak one. */
export function isKnown({ headers }: Request, etag: string): boolean {
  const known = headers.get("if-none-match");
  return known !== null && known.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/** Names what a text says, as an ETag. */
export async function textTag(text: string): Promise<string> {
  return `"${(await sha256(text)).slice(0, 32)}"`;
}
