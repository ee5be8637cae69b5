/**
 * Tests what the gateway's page keeps of what it asks for over and over.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { type GatewayAsk, Known } from "../../src/page/gateway/ask.ts";

test("gateway's page: what has not changed is asked for by its tag, and is there all the same", async () => {
  const tags: (string | undefined)[] = [];
  const known = new Known<string[]>((path, { known }: GatewayAsk = {}) => {
    tags.push(known);
    const tag = `"${path}"`;
    return Promise.resolve(
      known === tag ? new Response(null, { status: 304 }) : Response.json([path], { headers: { etag: tag } }),
    );
  });
  for (const path of ["/a", "/a", "/b", "/a"]) assert.deepEqual(await known.read(path), [path]);
  assert.deepEqual(tags, [undefined, '"/a"', undefined, undefined]);
});
