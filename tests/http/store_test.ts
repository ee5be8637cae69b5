/** The store over HTTP: the same values, versions and rules as for tasks in workers. */
import assert from "node:assert/strict";
import test from "node:test";
import { HandRun, StreamReader, world } from "./rig.ts";

test("http: a value set by one is seen by the other, with the same version", async () => {
  const { ask, run } = world();
  const put = await ask("/store/k", { method: "PUT", body: '{"a":[1,2]}' });
  assert.equal(put.status, 201);
  assert.equal(put.headers.get("etag"), '"1"');
  assert.deepEqual(run.store.get("k"), { key: "k", value: '{"a":[1,2]}', version: 1 });
  run.store.set("k", '"new"');
  const got = await ask("/store/k");
  assert.equal(got.headers.get("etag"), '"2"');
  assert.equal(got.headers.get("content-type"), "application/json");
  assert.equal(await got.json(), "new");
  assert.equal((await ask("/store/k", { method: "PUT", body: "3" })).status, 204);
});

test("http: keys with slashes, spaces and any characters are the keys of the store", async () => {
  const { ask, run } = world();
  for (const key of ["a/b", "a b", "ü/…", "100%", "increment", "x/increment", "...", "?q", "#f", "%2F"]) {
    const path = `/store/${encodeURIComponent(key)}`;
    assert.equal((await ask(path, { method: "PUT", body: "1" })).status, 201, key);
    assert.equal(run.store.get(key)?.value, "1", key);
    assert.equal(await (await ask(path)).text(), "1", key);
  }
  assert.equal((await ask("/store/plain/slash", { method: "PUT", body: "2" })).status, 201);
  assert.equal(run.store.get("plain/slash")?.value, "2");
  run.store.set("watch", "7");
  assert.equal(await (await ask("/store/watch?key")).text(), "7");
});

test("http: bytes and strings go in and out as they are, where they are asked for", async () => {
  const { ask, refused, run } = world();
  const bytes = new Uint8Array([0, 255, 10, 13]);
  const type = (name: string) => ({ headers: { "content-type": name } });
  await ask("/store/b", { method: "PUT", body: bytes, ...type("application/octet-stream") });
  assert.equal(run.store.get("b")!.value, '{"$bytes":"AP8KDQ=="}');
  const accept = (name: string) => ({ headers: { accept: name } });
  const back = await ask("/store/b", accept("application/octet-stream"));
  assert.deepEqual(new Uint8Array(await back.arrayBuffer()), bytes);
  assert.deepEqual(await (await ask("/store/b")).json(), { $bytes: "AP8KDQ==" });
  await ask("/store/t?as=text", { method: "PUT", body: 'say "hi"' });
  await ask("/store/j?as=json", { method: "PUT", body: "[1]", ...type("application/x-www-form-urlencoded") });
  assert.equal(run.store.get("j")!.value, "[1]");
  assert.equal(await refused("/store/t", { method: "PUT", body: "1", ...type("text/plain") }), "415 TYPE");
  assert.equal(run.store.get("t")!.value, '"say \\"hi\\""');
  assert.equal(await (await ask("/store/t", accept("text/plain"))).text(), 'say "hi"');
  assert.equal(await refused("/store/t", accept("application/octet-stream")), "406 NOT_BYTES");
  assert.equal(await refused("/store/b", accept("text/plain")), "406 NOT_TEXT");
  assert.equal(await refused("/store/b", accept("image/png")), "406 ACCEPT");
});

test("http: a value that would be changed by being read is refused with the place, and changes nothing", async () => {
  const { ask, run } = world();
  const message = async (body: string | Uint8Array<ArrayBuffer>, path = "/store/k", method = "PUT") => {
    const answer = await ask(path, { method, body });
    assert.equal(answer.status, 400);
    return (await answer.json() as { error: { message: string } }).error.message;
  };
  assert.match(
    await message("12345678901234567890"),
    /^The body can't be read, The number 12345678901234567890/,
  );
  assert.match(await message('{"a":[1e999]}'), /a\[0\]: The number 1e999 .* at line 1, column 7$/);
  assert.match(await message('{"a":1,"a":2}'), /a: Duplicate: the key "a" .* at line 1, column 8$/);
  assert.match(
    await message(Uint8Array.of(0x22, 0xe9, 0x22)),
    /not UTF-8: the byte 0xe9 at line 1, column 2/,
  );
  assert.match(await message('{"by":12345678901234567890}', "/store/k/increment", "POST"), /by: The number/);
  assert.match(await message('{"type":"e","type":"f"}', "/events", "POST"), /Duplicate/);
  assert.equal(run.store.get("k"), undefined);
  assert.equal((await ask("/store/k", { method: "PUT", body: "\uFEFF[1]" })).status, 201);
  assert.equal(run.store.get("k")!.value, "[1]");
});

test("http: conditions are those of the store", async () => {
  const { ask, refused, run } = world();
  const put = (body: string, headers: Record<string, string>) => ({ method: "PUT", body, headers });
  assert.equal((await ask("/store/k", put("1", { "if-none-match": "*" }))).status, 201);
  assert.equal(await refused("/store/k", put("2", { "if-none-match": "*" })), "412 VERSION_CONFLICT");
  assert.equal((await ask("/store/k", put("2", { "if-match": '"1"' }))).status, 204);
  assert.equal(await refused("/store/k", put("3", { "if-match": '"1"' })), "412 VERSION_CONFLICT");
  assert.equal(await refused("/store/k", put("3", { "if-match": 'W/"2"' })), "412 VERSION_CONFLICT");
  assert.equal((await ask("/store/k", put("3", { "if-match": '"9", "2"' }))).status, 204);
  assert.equal((await ask("/store/k", put("4", { "if-match": "*" }))).status, 204);
  assert.equal(await refused("/store/none", put("4", { "if-match": "*" })), "412 VERSION_CONFLICT");
  assert.equal(await refused("/store/k", put("5", { "if-match": "4" })), "400 CONDITION");
  assert.equal(await refused("/store/k", put("5", { "if-none-match": '"1"' })), "400 CONDITION");
  assert.equal(run.store.get("k")!.value, "4");
  assert.equal((await ask("/store/k", { headers: { "if-none-match": '"4"' } })).status, 304);
  assert.equal((await ask("/store/k", { headers: { "if-none-match": 'W/"4"' } })).status, 304);
  assert.equal((await ask("/store/k", { headers: { "if-none-match": '"3"' } })).status, 200);
  assert.equal(
    await refused("/store/k", { method: "DELETE", headers: { "if-match": '"3"' } }),
    "412 VERSION_CONFLICT",
  );
  const deleted = await ask("/store/k", { method: "DELETE", headers: { "if-match": '"4"' } });
  assert.equal(deleted.status, 204);
  assert.equal(deleted.headers.get("etag"), '"5"');
  const gone = await ask("/store/k");
  assert.equal(gone.status, 404);
  assert.equal(gone.headers.get("outrider-version"), "5");
  assert.equal(await refused("/store/k", { method: "DELETE" }), "404 NO_KEY");
});

test("http: a key goes after its time", async () => {
  let at = 1_000;
  const timers: (() => void)[] = [];
  const clock = {
    now: () => at,
    monotonic: () => at,
    stampOffset: () => 0,
    after: (_ms: number, fn: () => void) => {
      timers.push(fn);
      return () => {};
    },
  };
  const { ask, refused } = world({}, new HandRun({ clock }));
  await ask("/store/k?expires=5s", { method: "PUT", body: "1" });
  const answer = await ask("/store/k");
  assert.equal(answer.headers.get("expires"), new Date(6_000).toUTCString());
  at = 6_000;
  assert.equal(await refused("/store/k"), "404 NO_KEY");
  assert.equal(await refused("/store/k?expires=5", { method: "PUT", body: "1" }), "400 QUERY");
});

test("http: limits have each a status and a message of their own, and nothing is changed", async () => {
  const run = new HandRun({ limits: { value: 100, store: 300 } });
  const { ask, refused } = world({ limits: { bodyBytes: 1_000 } }, run);
  const put = (path: string, body: string) => refused(path, { method: "PUT", body });
  assert.equal(await put(`/store/${"k".repeat(513)}`, "1"), "414 KEY_TOO_LONG");
  assert.equal(await put("/store/k", `"${"x".repeat(200)}"`), "413 VALUE_TOO_LARGE");
  assert.equal(await put("/store/k", `"${"x".repeat(2_000)}"`), "413 TOO_LARGE");
  assert.equal((await ask("/store/a", { method: "PUT", body: `"${"x".repeat(90)}"` })).status, 201);
  assert.equal((await ask("/store/b", { method: "PUT", body: `"${"x".repeat(90)}"` })).status, 201);
  assert.equal((await ask("/store/c", { method: "PUT", body: `"${"x".repeat(90)}"` })).status, 201);
  assert.equal(await put("/store/d", `"${"x".repeat(90)}"`), "507 STORE_FULL");
  assert.equal(await put("/store/k", ""), "400 JSON");
  assert.equal(await put("/store/k", "{"), "400 JSON");
  assert.equal(await put("/store/k", '{"$bytes":"*"}'), "422 BAD_VALUE");
  assert.equal(await refused("/store/k", { method: "PUT", body: new Uint8Array([255]) }), "400 BODY");
  const form = { "content-type": "application/x-www-form-urlencoded" };
  assert.equal(await refused("/store/k", { method: "PUT", body: "a=1", headers: form }), "415 TYPE");
  assert.equal(
    await refused("/store/k", { method: "PUT", body: "1", headers: { "content-encoding": "gzip" } }),
    "415 ENCODING",
  );
  assert.deepEqual(run.store.keys().keys, ["a", "b", "c"]);
});

test("http: the place of a mistake in JSON is told", async () => {
  const { ask } = world();
  const answer = await ask("/store/k", { method: "PUT", body: '{\n  "a": tru\n}' });
  const { error } = await answer.json() as { error: { message: string } };
  assert.match(error.message, /line 2, column/);
});

test("http: counting is one step, whoever counts", async () => {
  const { ask, refused, run } = world();
  const up = async (body?: string) =>
    await (await ask("/store/n/increment", { method: "POST", ...(body !== undefined && { body }) })).json();
  assert.deepEqual(await up(), { value: 1, version: 1 });
  run.store.increment("n", 5);
  assert.deepEqual(await up('{"by":-2.5}'), { value: 3.5, version: 3 });
  run.store.set("s", '"x"');
  assert.equal(await refused("/store/s/increment", { method: "POST" }), "409 NOT_A_NUMBER");
  assert.equal(await refused("/store/n/increment", { method: "POST", body: '{"by":"1"}' }), "422 SHAPE");
  assert.equal(await refused("/store/n/increment", { method: "POST", body: "[]" }), "422 SHAPE");
});

test("http: keys are listed a page at a time", async () => {
  const { ask, run } = world();
  for (const key of ["b", "a/2", "a/1", "a/3"]) run.store.set(key, "1");
  const page = await (await ask("/store?prefix=a/&limit=2")).json() as { keys: string[]; cursor: string };
  assert.deepEqual(page.keys, ["a/1", "a/2"]);
  const next = await (await ask(`/store?prefix=a/&limit=2&cursor=${encodeURIComponent(page.cursor)}`)).json();
  assert.deepEqual(next, { keys: ["a/3"] });
});

test("http: a request waits for a newer version", async () => {
  const { ask, refused, run } = world();
  const first = ask("/store/k?wait=30s");
  await until(() => run.store.stats().waits === 1);
  run.store.set("k", "1");
  assert.equal(await (await first).text(), "1");
  assert.equal(await (await ask("/store/k?wait=30s&since=0")).text(), "1");
  assert.equal((await ask("/store/k?wait=1ms&since=1")).status, 304);
  assert.equal((await ask("/store/k?since=1")).status, 304);
  const deletion = refused("/store/k?wait=30s&since=1");
  await until(() => run.store.stats().waits === 1);
  run.store.delete("k");
  assert.equal(await deletion, "404 NO_KEY");
  assert.equal(await refused("/store/k?wait=10m"), "400 QUERY");
  assert.equal(await refused("/store/k?wait=now"), "400 QUERY");
});

test("http: a wait ends with its request", async () => {
  const { ask, run } = world();
  const over = new AbortController();
  const answer = ask("/store/k?wait=30s", { signal: over.signal }).catch(() => undefined);
  await until(() => run.store.stats().waits === 1);
  over.abort();
  await answer;
  await until(() => run.store.stats().waits === 0);
});

test("http: who watches is told what is there, then every change, until the run is over", async () => {
  const { ask, run } = world();
  run.store.set("a/1", '{"x":1}');
  run.store.set("b", "0");
  const answer = await ask("/store/watch?prefix=a/");
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  const reader = new StreamReader(answer);
  await reader.until(/event: set\ndata: \{"key":"a\/1","version":1,"value":\{"x":1\}\}\n\n/);
  run.store.set("b", "1");
  run.store.set("a/2", "2");
  await reader.until(/"a\/2"/);
  run.store.delete("a/1");
  await reader.until(/event: delete\ndata: \{"key":"a\/1","version":2\}\n\n/);
  run.end();
  assert.doesNotMatch(await reader.rest(), /"b"/);
});

test("http: a slow watcher gets the newest of each key, and leaves nothing behind", async () => {
  const { ask, run } = world();
  const answer = await ask("/store/watch?initial=false", { headers: { accept: "application/x-ndjson" } });
  const reader = new StreamReader(answer);
  run.store.set("k", "0");
  const first = reader.until(/"value":0/);
  await first;
  for (let count = 1; count <= 10_000; count++) run.store.set("k", String(count));
  await reader.until(/"value":10000/);
  assert.ok(reader.text.length < 1_000, `${reader.text.length}`);
  await reader.leave();
});

/** Waits, turn by turn, until something holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((turn) => setTimeout(turn));
}
