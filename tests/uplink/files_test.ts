/** Files in a report: after everything else, every byte once, through a bad line and the end of either side. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { JournalError } from "../../src/journal/errors.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import type { BlobsOptions } from "../../src/gateway/registry/blobs.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { FileSender } from "../../src/uplink/report/files.ts";
import { type RunReportOptions, startReport } from "../../src/uplink/report/report.ts";
import { Activity, Chaos, drive, FakeJournal, HandClock, type Harm, pass, seeded, settled } from "./rig.ts";

/** A device with files, a gateway that keeps them, and the line between. */
class World {
  readonly clock = new HandClock();
  readonly activity = new Activity();
  readonly store = sqliteGatewayStore(":memory:");
  readonly journal = new FakeJournal();
  readonly folder = mkdtempSync(join(tmpdir(), "outrider-files-"));
  readonly parked: string[] = [];
  readonly said: string[] = [];
  /** Bytes of files that came, and the requests that brought them. */
  readonly came = { bytes: 0, requests: 0 };
  readonly chaos: Chaos;
  #app: ReturnType<typeof gatewayApp>;
  #limits: Partial<BlobsOptions>;

  constructor(seed = 1, harm: Harm = {}, limits: Partial<BlobsOptions> = {}) {
    this.#limits = limits;
    mkdirSync(`${this.folder}/device`);
    this.#app = this.#gateway();
    const fetch = (request: Request) => {
      if (request.method === "PATCH") this.came.requests++;
      return this.#app.fetch(request);
    };
    this.chaos = new Chaos(fetch, { harm, ...this, random: seeded(seed) });
  }

  #gateway() {
    const files = { files: runtime, folder: `${this.folder}/gateway`, ...this.#limits };
    return gatewayApp({ store: this.store, clock: this.clock, files });
  }

  /** The gateway's process ends, and another one has its place. */
  restart(limits: Partial<BlobsOptions> = {}): void {
    this.#limits = limits;
    this.#app = this.#gateway();
  }

  /** The device keeps a file. */
  keep(name: string, bytes: Uint8Array): string {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(`${this.folder}/device/${sha256}`, bytes);
    const key = { task: "capture", iteration: 0, attempt: 1 };
    this.journal.state({ type: "file.kept", name, sha256, bytes: bytes.length, ...key });
    return sha256;
  }

  begin(): void {
    this.journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "test 1", plan: "h" });
  }

  end(): void {
    this.journal.state({ type: "run.ended", state: "succeeded" });
  }

  report(more: Partial<RunReportOptions> = {}) {
    const gateway = outriderGateway({
      ...{ url: "http://localhost:1/", executor: "e", fetch: this.chaos.fetch },
      ...{ clock: this.clock, gzip: this.activity.gzip },
    });
    return startReport({
      ...{ gateway, clock: this.clock, random: seeded(7), run: "r", source: this.journal },
      files: {
        open: (sha256) =>
          this.activity.during(runtime.openFile(`${this.folder}/device/${sha256}`, "read")).then((file) => ({
            ...file,
            read: (at, most) => this.activity.during(file.read(at, most)),
            close: () => this.activity.during(file.close()),
          })),
      },
      onFileParked: ({ name }, reason) => this.parked.push(`${name}: ${reason}`),
      onError: ({ message }) => this.said.push(message),
      ...more,
    });
  }

  /** The bytes that the gateway has under a digest; nothing if it has none. */
  held(sha256: string): Uint8Array | undefined {
    const folder = `${this.folder}/gateway/sha256/${sha256.slice(0, 2)}`;
    try {
      return new Uint8Array(readFileSync(`${folder}/${sha256}`));
    } catch {
      return undefined;
    }
  }

  /** What is not yet a file at the gateway. */
  get uploads(): string[] {
    return readdirSync(`${this.folder}/gateway/uploads`);
  }

  [Symbol.dispose](): void {
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What is not to be called. */
const never = () => Promise.reject(new Error("It was called"));

/** Bytes that are like no others. */
function noise(length: number, seed = 1): Uint8Array {
  const random = seeded(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

test("files: they go after all records, in pieces, and then alone the report is done", async () => {
  using w = new World();
  const order: string[] = [];
  w.chaos.stands = (path) => void order.push(path.split("/").at(4)!.slice(0, 7));
  const [large, empty] = [noise(700_000), noise(0)];
  w.begin();
  const digests = [w.keep("large.pcap", large), w.keep("empty", empty), w.keep("again.pcap", large)];
  for (let at = 0; at < 3; at++) w.journal.log(`line ${at}`);
  w.end();
  const report = w.report();
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  assert.deepEqual(report.status().files, { pending: 0, parked: 0 });
  await report.stop();
  assert.deepEqual([w.held(digests[0]!), w.held(digests[1]!)], [large, empty]);
  assert.deepEqual(w.uploads, []);
  // 256 KiB, then as much again and all that is left; one of nothing; the third has the bytes of the first.
  assert.equal(w.came.requests, 3);
  assert.ok(order.lastIndexOf("records") < order.indexOf("files"), order.join(" "));
  assert.equal(w.clock.timers, 0);
});

test("files: whatever the network does, every byte comes once, and the end comes", async () => {
  const share = fc.double({ min: 0, max: 0.35, noNaN: true });
  const harm = fc.record({
    lost: share,
    deaf: share,
    twice: share,
    slow: share,
    error500: share,
    error429: share,
  });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1 }), harm, fc.nat(900_000), async (seed, harm, length) => {
      using w = new World(seed, harm);
      const files = [noise(length, seed), noise(1_000, seed + 1)];
      w.begin();
      const digests = files.map((bytes, at) => w.keep(`f${at}`, bytes));
      const report = w.report();
      w.journal.log("a line");
      w.end();
      report.end({ state: "succeeded" });
      assert.equal(await drive(report.drained, w), true);
      await report.stop();
      assert.deepEqual(digests.map((digest) => w.held(digest)), files);
      assert.deepEqual(w.parked, []);
    }),
    { numRuns: 8 },
  );
});

test("files: either end may be killed at any piece, and what has come is not sent again", async () => {
  using w = new World();
  const bytes = noise(3_000_000);
  w.begin();
  const digest = w.keep("f", bytes);
  w.end();
  let sent = 0;
  let cut = 1;
  w.chaos.stands = (path, text) => {
    if (!path.includes("/files/") || text === "") return undefined;
    // The line is cut as the second piece of each process comes.
    if (cut-- === 0) {
      w.chaos.offline = true;
      return new Response("cut", { status: 502 });
    }
    sent++;
    return undefined;
  };
  for (let life = 0; life < 3; life++) {
    const report = w.report();
    report.end({ state: "succeeded" });
    await pass(200_000, w);
    assert.equal(w.chaos.offline, true);
    await report.stop();
    w.restart();
    w.chaos.offline = false;
    cut = 1;
  }
  assert.equal(w.held(digest), undefined);
  cut = Infinity;
  const report = w.report();
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assert.deepEqual(w.held(digest), bytes);
  // Three lives brought 256 KiB each; the last one all that was left, in pieces that grew.
  assert.equal(sent, 3 + 4);
});

test("files: while nothing is to be sent before the end of a run, none is", async () => {
  using w = new World();
  w.begin();
  const digest = w.keep("f", noise(1_000));
  const report = w.report({ quiet: true });
  await pass(60_000, w);
  assert.equal(w.chaos.requests, 0);
  w.end();
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assert.ok(w.held(digest));
});

test("files: those of a run that goes on are sent while it does", async () => {
  using w = new World();
  const report = w.report();
  w.begin();
  const digest = w.keep("f", noise(1_000));
  await pass(10_000, w);
  assert.ok(w.held(digest));
  await report.stop();
});

test("files: what is looked through is what was there at first, however fast records come", async () => {
  using w = new World();
  w.begin();
  w.end();
  for (const [upTo, most] of [[0, 0], [2, 1]] as const) {
    const abort = new AbortController();
    let reads = 0;
    const sender = new FileSender({
      ...{ run: "r", clock: w.clock, random: seeded(1), signal: abort.signal, timeoutMs: 1, upTo },
      line: { held: never, send: never },
      source: { open: never },
      records: {
        states(after, limit) {
          reads++;
          const page = w.journal.states(after, limit);
          w.journal.state(settled("t", 1));
          return page;
        },
      },
      ready: () => false,
      onMoved: () => {},
      onParked: () => {},
      onError: () => {},
    });
    const running = sender.run();
    for (let at = 0; at < 20; at++) {
      w.clock.step();
      await w.activity.still();
    }
    assert.deepEqual([reads, sender.pending], [most, 0]);
    abort.abort();
    await running;
  }
});

test("files: those of a journal that can't be read at first are found when it can", async () => {
  using w = new World();
  w.begin();
  const digest = w.keep("f", noise(1_000));
  w.end();
  const read = w.journal.states.bind(w.journal);
  let refusals = 4;
  w.journal.states = (after, limit) => {
    if (refusals-- > 0) throw new JournalError("DISK", "The disk does not give it");
    return read(after, limit);
  };
  const report = w.report();
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assert.ok(w.held(digest));
});

test("files: one that is not what was kept, or not there, is set aside, and the rest goes", async () => {
  using w = new World();
  w.begin();
  const changed = w.keep("changed", noise(1_000));
  const shorter = w.keep("shorter", noise(300_000, 2));
  const gone = w.keep("gone", noise(10, 3));
  const good = w.keep("good", noise(20, 4));
  writeFileSync(`${w.folder}/device/${changed}`, noise(1_000, 9));
  writeFileSync(`${w.folder}/device/${shorter}`, noise(100, 9));
  rmSync(`${w.folder}/device/${gone}`);
  w.end();
  const report = w.report();
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  assert.deepEqual(report.status().files, { pending: 0, parked: 3 });
  await report.stop();
  assert.match(w.parked[0]!, /^changed: What was sent has the digest [0-9a-f:sh]+, and not sha256:/);
  assert.match(w.parked[1]!, /^shorter: It can't be read: it has 100 bytes, and had 300000 as it was kept/);
  assert.match(w.parked[2]!, /^gone: It can't be read: /);
  assert.ok(w.held(good));
});

test("files: a gateway without room is waited for, and one that takes none is left alone", async () => {
  using w = new World(1, {}, { maxBytes: 500_000, maxBlobBytes: 10_000_000 });
  w.begin();
  const digest = w.keep("f", noise(700_000));
  w.end();
  const report = w.report();
  report.end({ state: "succeeded" });
  await pass(300_000, w);
  assert.equal(report.status().files.pending, 1);
  assert.match(w.said.at(-1)!, /answered 507: What is kept here has \d+ bytes of at most 500000/);
  assert.ok(w.came.requests < 60, `${w.came.requests} requests in 5 minutes`);
  w.restart();
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assert.ok(w.held(digest));

  using old = new World();
  old.chaos.stands = (path) =>
    path.includes("/files/")
      ? new Response(JSON.stringify({ error: { code: "NO_ROUTE", message: "There is no such route" } }), {
        status: 404,
      })
      : undefined;
  old.begin();
  old.keep("f", noise(10));
  const told = old.report();
  old.end();
  told.end({ state: "succeeded" });
  assert.equal(await drive(told.drained, old), true);
  await told.stop();
  assert.deepEqual(old.parked, ["f: The gateway takes no files: it is of an older version"]);
});

test("files: a proxy that takes only small bodies gets smaller pieces", async () => {
  using w = new World();
  const bytes = noise(300_000);
  w.begin();
  const digest = w.keep("f", bytes);
  w.end();
  w.chaos.stands = (path, text) =>
    path.includes("/files/") && text.length > 60_000 ? new Response("too large", { status: 413 }) : undefined;
  const report = w.report();
  report.end({ state: "succeeded" });
  assert.equal(await drive(report.drained, w), true);
  await report.stop();
  assert.deepEqual(w.held(digest), bytes);
});
