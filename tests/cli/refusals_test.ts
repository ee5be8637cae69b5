/** What a refusal of a server says on the command line: commands and options, where the server speaks of requests. */
import assert from "node:assert/strict";
import test from "node:test";
import { tell } from "../../src/cli/line/errors.ts";
import { refusalText } from "../../src/cli/line/refusals.ts";
import { GatewayRefusedError } from "../../src/uplink/errors.ts";
import { refused } from "../../src/uplink/http/answer.ts";
import { reasonIn } from "../../src/protocol/messages.ts";
import { exchange } from "../../src/cli/ask/exchange.ts";

const WHERE = { args: ["logs", "nope"], runtime: { name: "node", version: "1" } } as const;

function answered(status: number, code: string, message: string): Error {
  const bytes = new TextEncoder().encode(JSON.stringify({ error: { code, message } }));
  const headers = new Headers({ "content-type": "application/json" });
  return refused("GET http://g/v1/runs/nope/logs", { status, headers, bytes }, { now: 0, reasonIn });
}

test("refusals: of a gateway, what it said, and what to do with commands and options", () => {
  for (
    const [status, code, message, told] of [
      [
        404,
        "NO_RUN",
        "There is no run nope: GET /v1/runs lists them",
        "There is no run nope: outrider results lists those that it knows",
      ],
      [
        404,
        "NO_EXECUTOR",
        "Executor nope was never seen, and nothing waits for it",
        "Executor nope was never seen, and nothing waits for it: outrider executors lists those that it knows",
      ],
      [
        404,
        "NO_ROUTE",
        "There is no GET /x/v1/runs: GET /v1/openapi.json says what there is",
        "There is no GET /x/v1/runs: check that --gateway, or OUTRIDER_GATEWAY, is the address of a gateway of this version",
      ],
      [
        401,
        "TOKEN",
        "No valid token came with the request: send Authorization: Bearer TOKEN",
        "No valid token came with the request: give it by --token TOKEN, OUTRIDER_TOKEN or OUTRIDER_TOKEN_FILE",
      ],
      [409, "RUN_OVER", "Run r is over: it succeeded", "Run r is over: it succeeded"],
    ] as const
  ) {
    const error = answered(status, code, message);
    assert.ok(error instanceof GatewayRefusedError && error.word === code);
    assert.deepEqual(tell(error, WHERE), { text: `${told}\n`, code: 2 });
  }
});

test("refusals: what is no word of a gateway's stays as the way there tells it", () => {
  const bytes = new TextEncoder().encode("no");
  const error = refused("GET x", { status: 404, headers: new Headers(), bytes }, { now: 0, reasonIn });
  assert.match(tell(error, WHERE).text, /^GET x was answered 404: no, which is not how a gateway says it/);
});

test("refusals: of an executor's store, the options that set, wait and compare", async () => {
  const refusal = async (status: number, code: string, message: string) => {
    const send = () => Promise.resolve(Response.json({ error: { code, message } }, { status }));
    return (await exchange(send, { url: "http://e" })).refusal().message;
  };
  assert.equal(
    await refusal(404, "NO_KEY", 'There is no key "k": set it, or wait for it with ?wait=30s&since=3'),
    'There is no key "k": outrider store keys lists those that there are, outrider store get KEY --wait 30s waits for one (404 NO_KEY)',
  );
  assert.equal(
    await refusal(400, "JSON", 'The body can\'t be read, Not JSON: Expected a value, found "warm"'),
    "The value can't be read: Not JSON: Expected a value, found \"warm\": give a text with --text, or in JSON's quotes, such as '\"warm\"' (400 JSON)",
  );
  assert.equal(
    await refusal(
      412,
      "VERSION_CONFLICT",
      'The key has version 1, not "7" as If-Match asks: read it again',
    ),
    "The key has version 1, not 7 as --if-version says: outrider store get KEY shows what is there now; --if-version takes its number (412 VERSION_CONFLICT)",
  );
});

test("refusals: each code means one thing at each kind of server", () => {
  const message = "It is not there: GET /x lists them";
  assert.match(refusalText("gateway", { code: "NO_RUN", message }), /^It is not there: outrider results/);
  assert.match(refusalText("executor", { code: "NO_RUN", message }), /^It is not there: try again/);
  assert.equal(refusalText("executor", { code: "NEW_ONE", message }), message);
});
