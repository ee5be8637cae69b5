/** Each limit of the gateway just below and just above, who is let in by what, and that nothing is left behind a body. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { gzip } from "../../src/base/bytes.ts";
import { MAX_FLAG_BYTES } from "../../src/base/limits.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import type { HandoutView } from "../../src/protocol/messages.ts";
import { BEAT, STARTED, world } from "./rig.ts";

const RECORDS = "/v1/executors/e/records";
const BATCH = JSON.stringify({ run: "r", lane: "state", records: [] });

/** A JSON text of just so many bytes. */
function padded(text: string, bytes: number): string {
  return text + " ".repeat(bytes - text.length);
}

/** Moves on what is waited for. */
async function still(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setTimeout(next, 0));
}

/** A body that comes when it is let. */
function fed() {
  let controller!: ReadableStreamDefaultController<Bytes>;
  const body = new ReadableStream<Bytes>({ start: (its) => void (controller = its) });
  return {
    init: { method: "POST", body, duplex: "half" } as RequestInit,
    feed: (bytes: number) => controller.enqueue(new Uint8Array(bytes).fill(0x20)),
    end: (text: string) => {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  };
}

test("gateway: each body is as large as it may be, in bytes, packed or not, and no larger", async () => {
  const w = world({ maxBatchBytes: 50_000, maxBundleBytes: 1_000 });
  const flag = "/v1/experiments/x/flags/f";
  const small = 16 * 1024;
  const cases: readonly [string, string, string, number][] = [
    ["POST", RECORDS, BATCH, 50_000],
    ["POST", "/v1/executors/e/heartbeat", JSON.stringify(BEAT), small],
    ["POST", "/v1/executors/e/commands", '{"type":"pause"}', small],
    ["PUT", flag, '{"value":1}', MAX_FLAG_BYTES],
    ["POST", flag, '{"op":"set","id":"i","value":1}', MAX_FLAG_BYTES],
    ["POST", "/v1/bundles?to=e", "x", 1_000],
  ];
  for (const [method, path, text, most] of cases) {
    for (const pack of [false, true]) {
      const send = async (bytes: number) => {
        const body = new TextEncoder().encode(padded(text, bytes));
        return await w.code(path, {
          method,
          body: pack ? await gzip(body) : body,
          headers: pack ? { "content-encoding": "gzip" } : {},
        });
      };
      assert.match(await send(most), /^20\d$/, path);
      assert.equal(await send(most + 1), "413 TOO_LARGE", path);
      assert.equal(w.clock.timers, 0, path);
    }
  }
  // Nine characters more than fit, although none too many characters.
  const umlauts = `{"run":"r","lane":"state","records":[],"x":"${"ü".repeat(25_000)}"}`;
  assert.equal(await w.code(RECORDS, { method: "POST", body: umlauts }), "413 TOO_LARGE");
});

test("gateway: a body that brings just enough in a minute is waited for, one byte less is not", async () => {
  for (const [bytes, code] of [[32 * 1024, "200"], [32 * 1024 - 1, "408 TOO_SLOW"]] as const) {
    const w = world();
    const { init, feed, end } = fed();
    const asked = w.code(RECORDS, init);
    feed(bytes);
    await still();
    assert.equal(w.clock.timers, 1);
    const since = w.clock.monotonic();
    w.clock.step();
    assert.equal(w.clock.monotonic() - since, 60_000);
    await still();
    // Each minute counts anew: what came in the first is nothing in the second.
    if (code === "200") end(BATCH);
    assert.equal(await asked, code);
    assert.equal(w.clock.timers, 0);
  }
});

test("gateway: what is left of a refused body is waited for ten seconds", async () => {
  const w = world();
  const { init } = fed();
  const asked = w.code("/v1/nothing", init);
  await still();
  const since = w.clock.monotonic();
  assert.equal(w.clock.step(), true);
  assert.equal(w.clock.monotonic() - since, 10_000);
  assert.equal(await asked, "404 NO_ROUTE");
  assert.equal(w.clock.timers, 0);
});

test("gateway: a thousand answers go on at once, and no more; a head alone takes no place", async () => {
  const w = world();
  await w.send({ records: [STARTED] as never });
  const path = "/v1/runs/r/logs?follow=1";
  const open = await Promise.all(Array.from({ length: 1_000 }, () => w.ask(path)));
  const refused = await w.ask(path);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  assert.match(await refused.text(), /"TOO_MANY_OPEN".*1000 answers go on already/);
  assert.equal((await w.ask(path, { method: "HEAD" })).status, 200);
  await open[0]!.body!.cancel();
  const next = await w.ask(path);
  assert.equal(next.status, 200);
  assert.equal(next.headers.get("content-type"), "application/x-ndjson");
  for (const { body } of [...open.slice(1), next]) await body!.cancel();
  await still();
  assert.equal(w.clock.timers, 0);
});

test("gateway: a token is let in as a bearer's alone, whole; what there is not is told to no stranger", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  await tokens.put({ name: "u", kind: "user" }, "secret-text");
  const w = world({ store, tokens });
  const as = (authorization: string, path = "/v1/runs") => w.code(path, { headers: { authorization } });
  for (const good of ["Bearer secret-text", "bearer secret-text", "BEARER   secret-text"]) {
    assert.equal(await as(good), "200", good);
  }
  const bad = [
    "secret-text",
    "Basic secret-text",
    "Bearer secret-tex",
    "Bearer secret-textt",
    "Bearer",
    "Bearer a secret-text",
  ];
  for (const each of [...bad, "xBearer secret-text", "Bearer secret-text x"]) {
    assert.equal(await as(each), "401 TOKEN", each);
    assert.equal(await as(each, "/v1/nothing"), "401 TOKEN", each);
  }
  assert.equal(await as("Bearer secret-text", "/v1/nothing"), "404 NO_ROUTE");
  assert.equal(await as("Bearer secret-text", "/v1/executors/e/pipeline"), "403 TOKEN_KIND");
  for (const path of ["/nothing", "/nothing/v1/"]) assert.equal(await w.code(path), "404 NO_ROUTE");
  assert.equal(await w.code("/v1/health"), "200");
  assert.equal(await w.code("/v1/openapi.json"), "200");
  const refused = await w.ask("/v1/runs");
  assert.equal(refused.headers.get("content-type"), "application/json");
});

test("gateway: an executor's token is for its groups, its experiment and itself, none of them by its beginning", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  await tokens.put({ name: "d", kind: "executor", executor: "dev", experiment: "exp", groups: ["lab"] }, "t");
  const w = world({ store, tokens });
  const as = (path: string) => w.code(path, { headers: { authorization: "Bearer t" } });
  assert.equal(await as("/v1/executors/dev/pipeline?group=lab&group=all"), "204");
  assert.equal(await as("/v1/executors/dev/pipeline?group=la"), "403 TOKEN_GROUP");
  assert.equal(await as("/v1/executors/dev/pipeline?group=lab&group=labs"), "403 TOKEN_GROUP");
  assert.equal(await as("/v1/executors/dev2/pipeline"), "403 TOKEN_EXECUTOR");
  assert.equal(await as("/v1/executors/de/pipeline"), "403 TOKEN_EXECUTOR");
  assert.equal(await as("/v1/experiments/exp/flags"), "200");
  for (const other of ["ex", "exp2"]) {
    assert.equal(await as(`/v1/experiments/${other}/flags`), "403 TOKEN_EXPERIMENT");
  }
  for (const path of ["/v1/runs", "/v1/executors", "/v1/handouts", "/v1/executors/dev"]) {
    assert.equal(await as(path), "403 TOKEN_KIND", path);
  }
  // Of groups sixteen are looked at: the seventeenth is not asked for.
  const many = Array.from({ length: 16 }, () => "group=lab").join("&");
  assert.equal(await as(`/v1/executors/dev/pipeline?${many}&group=other`), "204");
  assert.equal(await as(`/v1/executors/dev/pipeline?${many.replace("=lab", "=other")}`), "403 TOKEN_GROUP");
});

test("gateway: names, reasons and numbers are as long as they may be; what is longer is cut or refused", async () => {
  const w = world();
  const upload = (query: string) => w.code(`/v1/bundles?${query}`, { method: "POST", body: "x" });
  assert.equal(await upload("to="), "400 TO");
  assert.equal(await upload("name=x"), "400 TO");
  assert.equal(await upload(`to=${"e".repeat(129)}`), "422 ID");
  assert.equal(await upload("to=group:"), "422 ID");
  assert.equal(await w.code("/v1/bundles?to=e", { method: "POST" }), "422 BUNDLE");
  assert.equal(await upload(`to=${"e".repeat(128)}&name=${"n".repeat(300)}`), "201");
  const { handouts } = await w.json<{ handouts: HandoutView[] }>("/v1/handouts");
  assert.equal(handouts[0]!.pipeline, "n".repeat(256));
  const cancel = `/v1/handouts/${handouts[0]!.id}/cancel?because=${"b".repeat(2_000)}`;
  assert.equal(await w.code(cancel, { method: "POST" }), "202");
  const [ended] = (await w.json<{ handouts: HandoutView[] }>("/v1/handouts")).handouts;
  assert.equal(ended!.because, "b".repeat(1_000));
  await w.send({ records: [STARTED] as never });
  const numbers = {
    ["9".repeat(15)]: "200",
    ["9".repeat(16)]: "400 QUERY",
    "": "400 QUERY",
    "1x": "400 QUERY",
  };
  for (const [since, code] of Object.entries(numbers)) {
    assert.equal(await w.code(`/v1/runs/r/logs?since=${since}`), code, since);
  }
  // What is not known of a query is passed over, so that a newer client is served.
  assert.equal(await w.code("/v1/runs?newer=1&newer=2"), "200");
  assert.equal(await w.code("/v1/runs/r/cancel?because=", { method: "POST" }), "202");
  w.store.close();
});
