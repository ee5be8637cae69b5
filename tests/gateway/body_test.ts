/** What becomes of the body of a request: taken or refused, it is read to its end, so that the client gets its answer. */
import assert from "node:assert/strict";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { gzip } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { HandClock, seeded } from "../uplink/rig.ts";

const PIECE = 1_000;
const BATCH = JSON.stringify({ run: "r", lane: "state", records: [] });

/** Bytes that can't be packed. */
function noise(length: number): Bytes {
  const random = seeded(5);
  return Uint8Array.from({ length }, () => random() * 256);
}

/** Sends bytes in small pieces; tells the answer's status, and how much of them was asked for. */
async function send(
  bytes: Bytes,
  { path = "/v1/executors/e/records", packed = true }: { readonly path?: string; readonly packed?: boolean } =
    {},
): Promise<{ readonly status: number; readonly taken: number; readonly ended: boolean }> {
  let taken = 0;
  let ended = false;
  const body = new ReadableStream<Bytes>({
    pull(controller) {
      if (taken >= bytes.length) {
        ended = true;
        return controller.close();
      }
      controller.enqueue(bytes.subarray(taken, taken += PIECE));
    },
  }, { highWaterMark: 0 });
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock: new HandClock(), maxBatchBytes: 50_000 });
  const headers = packed ? { "content-encoding": "gzip" } : {};
  const init = { method: "POST", body, headers, duplex: "half" };
  const { status } = await app.fetch(new Request(`http://127.0.0.1:9${path}`, init));
  store.close();
  return { status, taken: Math.min(taken, bytes.length), ended };
}

test("gateway: a body that is taken is read to its end, packed or not", async () => {
  const text = new TextEncoder().encode(BATCH + " ".repeat(20_000));
  for (const [bytes, packed] of [[text, false], [await gzip(text), true]] as const) {
    assert.deepEqual(await send(bytes, { packed }), { status: 200, taken: bytes.length, ended: true });
  }
});

test("gateway: what is left of a refused body is read too, for the sake of the answer", async () => {
  const large = noise(200_000);
  const packed = await gzip(large);
  const broken = packed.slice().fill(0, 5_000, 9_000);
  const cases: readonly [number, Promise<Awaited<ReturnType<typeof send>>>, Bytes][] = [
    [413, send(large, { packed: false }), large],
    [413, send(packed), packed],
    [400, send(large.subarray(0, 30_000)), large.subarray(0, 30_000)],
    [400, send(packed.subarray(0, 30_000)), packed.subarray(0, 30_000)],
    [404, send(large, { path: "/v1/nothing" }), large],
    [422, send(large, { path: "/v1/executors/a%20b/records" }), large],
  ];
  for (const [status, sent, { length }] of cases) {
    assert.deepEqual(await sent, { status, taken: length, ended: true });
  }
  // What is no gzip and too large: which of the two is found first is the runtime's affair.
  for (const sent of [send(broken), send(large)]) assert.ok([400, 413].includes((await sent).status));
});

test("gateway: of a refused body without end only so much is read", async () => {
  let pulled = 0;
  let cancelled = false;
  const piece = new Uint8Array(1_000_000);
  const body = new ReadableStream<Bytes>({
    pull: (controller) => {
      pulled += piece.length;
      controller.enqueue(piece);
    },
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock: new HandClock() });
  const init = { method: "POST", body, duplex: "half" };
  const { status } = await app.fetch(new Request("http://127.0.0.1:9/v1/executors/e/heartbeat", init));
  store.close();
  assert.equal(status, 413);
  assert.ok(cancelled);
  assert.ok(pulled < 20_000_000, `${pulled}`);
});
