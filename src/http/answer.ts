/**
 * Owns the shape of answers: which headers each has.
 * Must not know what is answered.
 * Invariant: no answer may be kept by a cache or read as another type than it has, and none has a CORS header. What a
 * browser would show as a page has a policy too; of data, pages of other origins get nothing anyway (access.ts), and each
 * header costs an answer as much as finding its route does.
 */

/** Headers of every answer. */
const SAFE: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** Headers of what a browser shows as a page. */
const PAGE: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
};

/** Content types that are spoken here. */
export const TYPE = {
  json: "application/json",
  bytes: "application/octet-stream",
  text: "text/plain; charset=utf-8",
  ndjson: "application/x-ndjson",
  sse: "text/event-stream",
  html: "text/html; charset=utf-8",
  metrics: "text/plain; version=0.0.4; charset=utf-8",
} as const;

const BY_TYPE: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map(
  Object.values(TYPE).map((type) => [type, {
    "content-type": type,
    ...SAFE,
    ...(type === TYPE.html && PAGE),
  }]),
);

/** The headers of an answer, with more of its own. */
export function headersFor(
  type: string,
  more?: Readonly<Record<string, string>>,
): Record<string, string> {
  const known = BY_TYPE.get(type)!;
  return more === undefined ? known as Record<string, string> : { ...known, ...more };
}

/** An answer with a body. */
export function answer(
  body: BodyInit,
  { type = TYPE.json, status = 200, headers }: {
    readonly type?: string;
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Response {
  return new Response(body, { status, headers: headersFor(type, headers) });
}

/** An answer without a body. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, { status, headers: { ...SAFE, ...headers } });
}
