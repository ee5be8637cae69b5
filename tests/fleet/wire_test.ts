/**
 * The line to a NATS system: addresses, limits, refusals, what is stored, flags.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { dialNats } from "../../src/fleet/client.ts";
import type { NatsConnection } from "../../src/fleet/connection.ts";
import { FleetFlags } from "../../src/fleet/flags.ts";
import { packedValue, unpackedValue } from "../../src/fleet/jetstream.ts";
import { FLEET_LIMITS, makeStreams, streamInfo, streamsFor } from "../../src/fleet/streams.ts";
import { Dialler, natsAddresses } from "../../src/fleet/dialler.ts";
import { FLEET_STREAMS, idOf, part, SUBJECTS } from "../../src/fleet/words.ts";
import { HandClock } from "../store/hand_clock.ts";
import { device, freePort, lineTo, NatsServer, testWithNats } from "./rig.ts";

const LIMITS = { timeoutMs: 30_000 };
const STREAM_LIMITS = { ...FLEET_LIMITS, recordsBytes: 64 << 20, bundlesBytes: 64 << 20 };

test("addresses: several with commas, each of a scheme of NATS, none with a password", () => {
  assert.deepEqual(natsAddresses("nats://a:1, wss://b/path/?x=secret"), ["nats://a:1", "wss://b/path"]);
  for (const wrong of ["http://a", "nats://", "a:4222", "", " , "]) {
    assert.throws(() => natsAddresses(wrong), { code: "OUTRIDER_GATEWAY_ADDRESS" }, wrong);
  }
  assert.throws(() => natsAddresses("nats://user:secret@a"), (error: Error) => {
    assert.doesNotMatch(error.message, /secret/);
    return /OUTRIDER_CREDS_FILE/.test(error.message);
  });
});

test("addresses: each is tried, whatever another says; only who is let in nowhere is refused", async () => {
  const tried: string[] = [];
  const dialler = (answers: Record<string, Error | undefined>) => {
    tried.length = 0;
    return new Dialler({
      url: "nats://a:1,nats://b:1",
      name: "n",
      clock: systemClock,
      random: () => 0,
      dial: ({ url }) => {
        tried.push(url);
        const error = answers[url];
        return error ? Promise.reject(error) : Promise.resolve({ others: [] } as unknown as NatsConnection);
      },
    }).dial({ signal: new AbortController().signal, denied: () => {} });
  };
  const refusal = Object.assign(new Error("Authorization Violation"), { name: "AuthorizationError" });
  await dialler({ "nats://a:1": refusal });
  assert.equal(tried.length, 2);
  await dialler({ "nats://a:1": new Error("certificate has expired") });
  assert.equal(tried.length, 2);
  const expired = new Error("certificate has expired");
  await assert.rejects(dialler({ "nats://a:1": expired, "nats://b:1": expired }), {
    code: "OUTRIDER_GATEWAY_UNREACHABLE",
  });
  const timeout = new Error("timeout");
  await assert.rejects(dialler({ "nats://a:1": refusal, "nats://b:1": timeout }), { status: 403 });
  await assert.rejects(dialler({ "nats://a:1": new Error("unable to parse credentials") }), {
    code: "OUTRIDER_GATEWAY_UNREACHABLE",
    message: /OUTRIDER_CREDS_FILE/,
  });
});

test("addresses: once the line is closed none is tried any more", async () => {
  const tried: string[] = [];
  const abort = new AbortController();
  const dialler = new Dialler({
    url: "nats://a:1,nats://b:1,nats://c:1",
    name: "n",
    clock: systemClock,
    random: () => 0,
    dial: ({ url }) => {
      tried.push(url);
      abort.abort();
      return Promise.reject(new Error("timeout"));
    },
  });
  await assert.rejects(dialler.dial({ signal: abort.signal, denied: () => {} }), {
    code: "OUTRIDER_STOPPED",
  });
  assert.deepEqual(tried, ["nats://a:1"]);
});

test("a connection that nobody greets in time is closed, not left open", async () => {
  const here: Socket[] = [];
  const server = createServer((socket) => {
    // The end comes with an error on some runtimes.
    socket.on("error", () => {});
    socket.resume();
    here.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    for (const scheme of ["nats", "ws"]) {
      const url = `${scheme}://127.0.0.1:${port}`;
      const { signal } = new AbortController();
      const how = { url, name: "n", creds: undefined, token: undefined, signal, denied: () => {} };
      // A busy machine may take longer than that to connect.
      for (let ms = 100; here.length === 0; ms *= 2) await assert.rejects(dialNats(how, ms), scheme);
      for (const socket of here.splice(0)) if (!socket.closed) await once(socket, "close");
    }
  } finally {
    for (const socket of here) socket.destroy();
    server.close();
  }
});

test("the client of NATS is loaded with the first connection, and by nothing before it", () => {
  const sources = new URL("../../src/", import.meta.url);
  const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts")
  );
  const asking = files.filter((file) => /client\.ts"/.test(readFileSync(new URL(file, sources), "utf8")));
  assert.deepEqual(
    asking.map((file) => file.replaceAll("\\", "/")).filter((file) => file.startsWith("fleet/")).sort(),
    [
      "fleet/dialler.ts",
      "fleet/keys.ts",
    ],
  );
  for (const file of asking.filter((each) => each.startsWith("fleet"))) {
    assert.doesNotMatch(readFileSync(new URL(file, sources), "utf8"), /from "\.\/client\.ts"/, file);
  }
});

test("subjects: no two ids have the same part, and each part has its id", () => {
  for (const id of ["a", "a.b", "a:b@c-d_e", "..a", "group:x"]) assert.equal(idOf(part(id)), id);
  assert.equal(SUBJECTS.records("d.1", "r.2", "log"), "o.rec.d~1.r~2.log");
});

testWithNats("streams: are made once, and changed where their limits are others", async () => {
  await using server = await NatsServer.start();
  const jetstream = lineTo(server.url);
  const first = await makeStreams(jetstream, streamsFor(STREAM_LIMITS), LIMITS);
  assert.deepEqual(new Set(first.map(({ did }) => did)), new Set(["made"]));
  const again = await makeStreams(jetstream, streamsFor(STREAM_LIMITS), LIMITS);
  assert.deepEqual(new Set(again.map(({ did }) => did)), new Set(["nothing"]));
  const other = { ...STREAM_LIMITS, recordsBytes: 65 << 20 };
  const changed = await makeStreams(jetstream, streamsFor(other), LIMITS);
  assert.deepEqual(changed.filter(({ did }) => did !== "nothing"), [{
    name: FLEET_STREAMS.records,
    did: "changed",
  }]);
  assert.equal((await streamInfo(jetstream, FLEET_STREAMS.records, LIMITS))?.config["max_bytes"], 65 << 20);
  await jetstream.wire.close();
});

testWithNats(
  "line: a message too large is refused here, one without a stream says so, a broken one at once",
  async () => {
    await using server = await NatsServer.start();
    const jetstream = lineTo(server.url);
    await assert.rejects(jetstream.store("o.nowhere", new Uint8Array(1), LIMITS), {
      code: "OUTRIDER_GATEWAY_REFUSED",
      status: 503,
      message: /fleet init/,
    });
    await assert.rejects(jetstream.store("o.nowhere", new Uint8Array(2 << 20), LIMITS), { status: 413 });
    const held = jetstream.wire.listen("o.held", () => {});
    const asked = assert.rejects(jetstream.wire.request("o.held", new Uint8Array(1), LIMITS), {
      code: "OUTRIDER_GATEWAY_UNREACHABLE",
    });
    // What comes after it on the same connection is answered when it has arrived.
    await jetstream.wire.request("o.nowhere", new Uint8Array(1), LIMITS);
    await server.kill();
    await asked;
    await assert.rejects(jetstream.last(FLEET_STREAMS.records, "o.rec.x", LIMITS), {
      code: "OUTRIDER_GATEWAY_UNREACHABLE",
      message: /nothing listens there/,
    });
    held();
    await jetstream.wire.close();
    await assert.rejects(jetstream.wire.request("o.held", new Uint8Array(1), LIMITS), {
      code: "OUTRIDER_STOPPED",
    });
  },
);

testWithNats("line: by WebSockets likewise, and by a token that is asked for", async () => {
  const port = await freePort();
  await using server = await NatsServer.start({
    more: `websocket { host: 127.0.0.1, port: ${port}, no_tls: true }\nauthorization { token: "let-me-in" }`,
  });
  const url = `ws://127.0.0.1:${port}`;
  const jetstream = lineTo(url, { token: "let-me-in" });
  await makeStreams(jetstream, streamsFor(STREAM_LIMITS), LIMITS);
  const data = new Uint8Array(100_000).fill(7);
  assert.equal((await jetstream.store("o.bundle.x.0", data, { ...LIMITS, after: 0 }))?.seq, 1);
  assert.equal(await jetstream.store("o.bundle.x.0", data, { ...LIMITS, after: 0 }), undefined);
  assert.deepEqual((await jetstream.last(FLEET_STREAMS.bundles, "o.bundle.x.0", LIMITS))?.data, data);
  await jetstream.wire.close();
  for (const address of [url, server.url]) {
    const stranger = lineTo(address, { token: "not-this" });
    await assert.rejects(stranger.last(FLEET_STREAMS.bundles, "o.bundle.x.0", LIMITS), (error: Error) => {
      assert.doesNotMatch(error.message, /not-this/);
      return (error as { code?: unknown }).code === "OUTRIDER_GATEWAY_REFUSED";
    }, address);
    await stranger.wire.close();
  }
});

test("packed values: what is no JSON is none, packed or not", async () => {
  assert.deepEqual(await unpackedValue(await packedValue({ a: [1, "ä"] })), { a: [1, "ä"] });
  assert.deepEqual(await unpackedValue(new TextEncoder().encode('{"a":1}')), { a: 1 });
  assert.equal(await unpackedValue(new TextEncoder().encode("{")), undefined);
  assert.equal(await unpackedValue(new Uint8Array([0x1f, 0x8b, 1, 2, 3])), undefined);
});

test("flags: a gateway that does not answer in time is told as that, and a line without a sign of life is left", async () => {
  const clock = new HandClock(0);
  const gone = Promise.withResolvers<string>();
  const silent: NatsConnection = {
    maxPayload: 1 << 20,
    server: { name: "s", version: "2.15.1", cluster: undefined },
    others: [],
    publish() {},
    subscribe: () => () => {},
    gone: gone.promise,
    close: () => Promise.resolve(gone.resolve("left")),
  };
  const agent = device("nats://a:1", { dial: () => Promise.resolve(silent), clock });
  const add = { op: "increment", id: "i", by: 1 } as const;
  const changed = agent.flags.change("f", add, { timeoutMs: 10_000 });
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(10_000);
  await assert.rejects(changed, {
    code: "OUTRIDER_GATEWAY_TIMEOUT",
    message: /^No answer to the request to o\.do\.flag\.default\.f .* within 10 s/,
  });
  assert.equal(await gone.promise, "left");
});

testWithNats(
  "flags: an operation is done once, however often it is sent, and compared with what is there",
  async () => {
    await using server = await NatsServer.start();
    const jetstream = lineTo(server.url);
    await makeStreams(jetstream, streamsFor(STREAM_LIMITS), LIMITS);
    const flags = new FleetFlags(jetstream, { clock: systemClock, random: Math.random });
    const flag = { experiment: "e", name: "n.1" };
    const once = { ...LIMITS, again: false };
    const twice = { ...LIMITS, again: true };
    const add = { op: "increment", id: "a", by: 2 } as const;
    assert.deepEqual(await flags.change(flag, add, once), {
      flag: { name: "n.1", value: 2, version: 1 },
      done: true,
    });
    await flags.change(flag, { op: "increment", id: "b", by: 5 }, once);
    assert.deepEqual(await flags.change(flag, add, twice), {
      flag: { name: "n.1", value: 2, version: 1 },
      done: true,
    });
    assert.deepEqual(await flags.read(flag, LIMITS), { name: "n.1", value: 7, version: 2 });
    const compare = { op: "compare", id: "c", expected: 7, value: "go" } as const;
    assert.equal((await flags.change(flag, compare, once)).done, true);
    assert.equal((await flags.change(flag, compare, twice)).done, true);
    const fails = { op: "compare", id: "d", expected: 7, value: "no" } as const;
    for (const limits of [once, twice, twice]) {
      assert.equal(
        (await flags.change(flag, fails, limits)).done,
        false,
      );
    }
    assert.deepEqual(await flags.read(flag, LIMITS), { name: "n.1", value: "go", version: 3 });
    await assert.rejects(flags.change(flag, { op: "increment", id: "e", by: 1 }, once), {
      word: "FLAG_TYPE",
    });
    const awaited = flags.awaited(flag, { ...LIMITS, after: 3, waitMs: 30_000 });
    await flags.change(flag, { op: "set", id: "f", value: 9 }, once);
    assert.equal((await awaited)?.value, 9);
    const all = await Promise.all(
      Array.from(
        { length: 20 },
        (_, at) => flags.change(flag, { op: "increment", id: `i${at}`, by: 1 }, once),
      ),
    );
    assert.equal(new Set(all.map((reply) => reply.flag?.value)).size, 20);
    await jetstream.wire.close();
  },
);
