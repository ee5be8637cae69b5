/** What the end point takes in a body is bounded before anybody makes values of it. */
import assert from "node:assert/strict";
import test from "node:test";
import { readJson } from "../../src/model/json_text.ts";
import { world } from "./rig.ts";

test("http: a body of too many values or too many brackets is refused before it is parsed, and changes nothing", async () => {
  const { ask, run } = world();
  const before = run.events.last;
  const nodes = `[${"{},".repeat(1_100_000)}{}]`;
  const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
  for (const [status, body] of [[413, nodes], [400, deep], [400, '{"a":'.repeat(500_000)]] as const) {
    for (const path of ["/store/k", "/store/k/increment", "/events", "/cancel"]) {
      const answer = await ask(path, { method: path === "/store/k" ? "PUT" : "POST", body });
      assert.equal(answer.status, status, path);
      assert.ok((await answer.text()).length < 1_000);
    }
  }
  assert.equal(run.store.get("k"), undefined);
  assert.equal(run.events.last, before);
  assert.deepEqual(run.cancelled, []);
  // A text is one value, whatever it looks like.
  assert.equal((await ask("/store/k?as=text", { method: "PUT", body: deep.slice(0, 2_000) })).status, 201);
});

test("http: a refusal quotes little of what was sent", async () => {
  const { ask } = world();
  const body = JSON.stringify({ by: "x".repeat(1_000_000) });
  const answer = await ask("/store/k/increment", { method: "POST", body });
  assert.equal(answer.status, 422);
  assert.ok((await answer.text()).length < 1_000);
});

test("json: keys that are there twice are told up to a bound, however many and however deep", () => {
  const text = '{"a":'.repeat(900) + `{${'"k":1,'.repeat(200_000)}"k":1}` + "}".repeat(900);
  const { problems } = readJson(text, "");
  assert.equal(problems.length, 100);
});
