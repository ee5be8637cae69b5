/**
 * Owns the shape of answers: which headers each has.
 * Must not know what is answered.
 * Invariant: no answer may be kept by a cache or read as another type than it has, and none has a CORS header. What a
 * browser would show as a page has a policy too; of data, pages of other origins get nothing anyway (access.ts), and each
 * header costs an answer as much as finding its route does.
 */

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

/** An answer with a body. */
export function answer(
  body: BodyInit,
  { type = TYPE.json, status = 200, headers }: {
    readonly type?: string;
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Response {
  const response = status === 200 ? new Response(body) : new Response(body, { status });
  response.headers.set("content-type", type);
  if (type === TYPE.html) add(response, PAGE);
  return safe(response, headers);
}

/** An answer without a body. */
export function empty(status: number, headers?: Readonly<Record<string, string>>): Response {
  return safe(new Response(null, { status }), headers);
}

/** Set one by one: it is on every runtime as fast as any other way, and on Deno several times as fast as to pass them all. */
function safe(response: Response, more: Readonly<Record<string, string>> | undefined): Response {
  const { headers } = response;
  headers.set("cache-control", "no-store");
  headers.set("x-content-type-options", "nosniff");
  if (more !== undefined) add(response, more);
  return response;
}

function add({ headers }: Response, more: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(more)) headers.set(name, more[name]!);
}
