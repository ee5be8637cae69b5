/** Where bodies come in: the room that they share, to the byte; what is read of refused ones; and nothing left behind. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { Intake } from "../../src/gateway/body.ts";
import { HandClock } from "../uplink/rig.ts";
import { world } from "./rig.ts";

const MiB = 1024 ** 2;

function requestOf(body: ReadableStream<Bytes>, headers: Record<string, string> = {}): Request {
  const init = { method: "POST", body, headers, duplex: "half" };
  return new Request("http://127.0.0.1:9/", init);
}

/** A body that is held: it has brought its pieces, and no end. */
class Held {
  readonly answer: Promise<unknown>;
  #controller!: ReadableStreamDefaultController<Bytes>;
  #seen: () => void = () => {};

  constructor(intake: Intake) {
    const body = new ReadableStream<Bytes>({ start: (controller) => void (this.#controller = controller) });
    this.answer = intake.bytes(requestOf(body), Infinity, () => this.#seen()).catch((error: unknown) =>
      error
    );
  }

  /** Brings a piece; resolves to what it is refused with, or to nothing when it is held. */
  async brings(piece: Bytes): Promise<unknown> {
    const seen = new Promise<void>((next) => this.#seen = next);
    this.#controller.enqueue(piece);
    return await Promise.race([seen, this.answer.then((error) => (error as { code: string }).code)]);
  }

  async breaks(): Promise<void> {
    this.#controller.error(new Error("gone"));
    await this.answer;
  }
}

test("intake: large bodies have half of the room, small ones all of it, to the byte, and give it back", async () => {
  const intake = new Intake(new HandClock());
  const piece = new Uint8Array(16 * MiB), one = new Uint8Array(1);
  const small = async (bytes: number) => {
    const held = new Held(intake);
    return [held, await held.brings(piece.subarray(0, bytes))] as const;
  };
  for (let round = 0; round < 2; round++) {
    const large = new Held(intake);
    for (let count = 0; count < 16; count++) assert.equal(await large.brings(piece), undefined);
    assert.equal((await small(MiB + 1))[1], "BUSY", "it is no small one");
    const held: Held[] = [];
    for (let count = 0; count < 256; count++) {
      const [each, refused] = await small(MiB);
      assert.equal(refused, undefined);
      held.push(each);
    }
    assert.equal((await small(1))[1], "BUSY");
    await held.pop()!.breaks();
    assert.equal((await small(MiB + 1))[1], "BUSY");
    const [last, refused] = await small(MiB);
    assert.equal(refused, undefined);
    for (const each of [...held, last]) await each.breaks();
    assert.equal(await large.brings(one), "BUSY", "of large ones there is half a room");
  }
});

/** A body in pieces, of which is told how many were asked for, and whether it was let go. */
function counted(length: number, pieces: number) {
  const seen = { pulled: 0, cancelled: false };
  const body = new ReadableStream<Bytes>({
    pull: (controller) => {
      if (seen.pulled++ < pieces) controller.enqueue(new Uint8Array(length));
      else controller.close();
    },
    cancel: () => void (seen.cancelled = true),
  }, { highWaterMark: 0 });
  return { seen, body };
}

test("intake: of a refused body 16 MiB are read, for ten seconds at most, and then it is let go", async () => {
  const clock = new HandClock();
  const intake = new Intake(clock);
  const endless = counted(MiB, Infinity);
  await intake.rest(requestOf(endless.body));
  assert.deepEqual(endless.seen, { pulled: 16, cancelled: true });
  const whole = counted(MiB, 16);
  await intake.rest(requestOf(whole.body));
  assert.deepEqual(whole.seen, { pulled: 16, cancelled: true }, "nobody knows that it was all");
  const short = counted(MiB, 15);
  await intake.rest(requestOf(short.body));
  assert.deepEqual(short.seen, { pulled: 16, cancelled: false });
  assert.equal(clock.timers, 0);

  let cancelled = false;
  const stalled = requestOf(new ReadableStream({ cancel: () => void (cancelled = true) }));
  const given = intake.rest(stalled);
  assert.equal(clock.timers, 1);
  clock.step();
  await given;
  assert.deepEqual([cancelled, clock.timers, stalled.body?.locked], [true, 0, false]);

  const taken = requestOf(counted(1, 1).body);
  taken.body!.getReader();
  await intake.rest(taken);
  await intake.rest(new Request("http://127.0.0.1:9/"));
  const broken = new ReadableStream<Bytes>({ start: (controller) => controller.error(new Error("gone")) });
  await intake.rest(requestOf(broken));
  assert.equal(clock.timers, 0);
});

test("intake: a body that is too slow is waited for no longer, and one that is refused otherwise is left to be read", async () => {
  const clock = new HandClock();
  const intake = new Intake(clock);
  let cancelled = false;
  const slow = requestOf(new ReadableStream<Bytes>({ cancel: () => void (cancelled = true) }));
  const late = assert.rejects(intake.bytes(slow, 9), { code: "TOO_SLOW" });
  clock.step();
  await late;
  assert.deepEqual([cancelled, clock.timers, slow.body?.locked], [true, 0, false]);
  const large = counted(10, 5);
  const request = requestOf(large.body);
  await assert.rejects(intake.bytes(request, 9), { code: "TOO_LARGE" });
  assert.deepEqual([large.seen.cancelled, request.body?.locked], [false, false]);
  assert.equal((await intake.bytes(new Request("http://127.0.0.1:9/"), 9)).length, 0);
  assert.equal(clock.timers, 0);
});

test("intake: packed bytes of which nothing comes out may be as many as others, and no more", async () => {
  const intake = new Intake(new HandClock());
  const head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], empty = [0, 0, 0, 0xff, 0xff];
  const end = [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
  const packed = new Uint8Array([...head, ...Array.from({ length: 100 }, () => empty).flat(), ...end]);
  const read = (maxBytes: number) => {
    const body = new ReadableStream<Bytes>({
      start: (controller) => {
        controller.enqueue(packed);
        controller.close();
      },
    });
    return intake.bytes(requestOf(body, { "content-encoding": "gzip" }), maxBytes);
  };
  assert.equal((await read(packed.length)).length, 0);
  await assert.rejects(read(packed.length - 1), { code: "TOO_LARGE" });
});

test("gateway: a bundle may have 64 MiB, and the rest of what is refused at once is read", async () => {
  const w = world();
  const piece = new Uint8Array(16 * MiB);
  let sent = 0;
  const body = new ReadableStream<Bytes>({
    pull: (controller) => {
      sent++;
      controller.enqueue(sent > 4 ? new Uint8Array(1) : piece);
      if (sent > 4) controller.close();
    },
  }, { highWaterMark: 0 });
  const answer = await w.ask("/v1/bundles?to=e", { method: "POST", body, duplex: "half" } as RequestInit);
  assert.equal(answer.status, 413);
  assert.match(await answer.text(), /more than 67108864 bytes/);
  const other = counted(10, 5);
  assert.equal(
    await w.code("/v1/bundles", { method: "POST", body: other.body, duplex: "half" } as RequestInit),
    "400 TO",
  );
  assert.equal(other.seen.pulled, 6);
  w.store.close();
});
