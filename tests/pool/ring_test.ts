/** The memory between a lane and its worker: slots, payloads, records and texts, at their ends and round them. */
import assert from "node:assert/strict";
import test from "node:test";
import { MAX_LINE } from "../../src/base/limits.ts";
import { atoms } from "../../src/pool/ring/atoms.ts";
import {
  Flag,
  INBOX_CELLS,
  inboxMemory,
  InboxReader,
  InboxWriter,
  MAX_PAYLOAD,
  type Offer,
  PAYLOAD_BYTES,
  SLOTS,
} from "../../src/pool/ring/inbox.ts";
import {
  type Fields,
  OUTBOX_BYTES,
  OUTBOX_CELLS,
  OutboxReader,
  OutboxWriter,
  RecordKind,
} from "../../src/pool/ring/outbox.ts";
import { ALONE, BESIDE_TASKS, startOf, TextMemory } from "../../src/pool/ring/text.ts";
import { Unfinished, unfinishedMemory } from "../../src/pool/unfinished.ts";
import { dice, seeds } from "./threadless.ts";

function inbox() {
  const memory = inboxMemory(new Int32Array(new SharedArrayBuffer(4 * INBOX_CELLS)));
  return { memory, lane: new InboxWriter(memory), worker: new InboxReader(memory) };
}

/** A board with nothing on it. */
const BARE = { some: false, halted: false };

function offer(task: number, payload: string | undefined = `${task}`): Offer {
  return { task, iteration: task + 1, attempt: task + 2, flags: 0, timeoutMs: task + 3, payload };
}

test("inbox: what is offered is claimed as it is, in order, each once", () => {
  const { memory, lane, worker } = inbox();
  assert.ok(worker.empty);
  assert.equal(worker.claim(() => 1), undefined);
  for (let task = 0; task < 3; task++) assert.ok(lane.offer({ ...offer(task), flags: Flag.urgent }));
  assert.ok(!worker.empty);
  assert.equal(lane.next, 3);
  for (let seq = 0; seq < 3; seq++) {
    assert.ok(!lane.claimed(seq));
    const claimed = worker.claim(() => 7.5 + seq);
    assert.deepEqual(claimed, { seq, ...offer(seq), flags: Flag.urgent, locals: 0 });
    assert.equal(lane.claimedAt, 7.5 + seq);
    assert.equal(memory.claimedAt[0], 7.5 + seq);
    assert.ok(lane.claimed(seq) && lane.current === seq && lane.look() === seq && lane.passed === seq + 1);
    worker.done();
    assert.equal(lane.current, undefined);
    assert.equal(lane.look(), undefined);
  }
  assert.ok(worker.empty && worker.claim(() => 9) === undefined);
  assert.equal(lane.wrong, undefined);
});

test("inbox: what is revoked is never claimed, what is claimed is never revoked, and both can be asked again", () => {
  const { lane, worker } = inbox();
  for (let task = 0; task < 4; task++) lane.offer(offer(task));
  assert.ok(lane.revoke(0) && lane.revoke(0) && lane.revoke(2));
  assert.equal(worker.claim(() => 0)!.seq, 1);
  assert.ok(!lane.revoke(1) && !lane.claimed(0) && !lane.claimed(2));
  lane.look();
  // It was passed over: nobody can claim it any more, and nothing is to be taken back.
  assert.ok(!lane.revoke(0) && !lane.revoke(1) && lane.revoke(2));
  worker.done();
  assert.equal(worker.claim(() => 0)!.seq, 3);
});

test("inbox: it takes as many as there are slots, a slot is free again when its offer was passed, and round the end all is as before", () => {
  const { lane, worker } = inbox();
  const payload = "é".repeat(20);
  for (let round = 0; round < 3; round++) {
    const first = lane.next;
    for (let at = 0; at < SLOTS; at++) assert.ok(lane.offer(offer(first + at, payload)), `${at}`);
    assert.ok(!lane.offer(offer(0, payload)), "more than there are slots");
    assert.equal(lane.next, first + SLOTS);
    lane.revoke(first + 1);
    assert.ok(!lane.offer(offer(0, payload)), "one that is taken back has its slot until it is passed");
    for (let at = 0; at < SLOTS; at++) {
      if (at === 1) continue;
      const claimed = worker.claim(() => at)!;
      assert.deepEqual([claimed.seq, claimed.task, claimed.payload], [first + at, first + at, payload]);
      worker.done();
    }
    assert.ok(worker.empty);
    if (round === 1) worker.claim(() => 0);
  }
});

test("inbox: room for payloads is counted in bytes, at three for each code unit, and is round", () => {
  for (const character of ["a", "é", "€", "😀"]) {
    const { lane, worker } = inbox();
    const payload = character.repeat(21_000 / character.length);
    const waiting: { readonly seq: number; readonly text: string }[] = [];
    let most = 0;
    for (let count = 0; count < 300; count++) {
      const text = `${count}${payload}`;
      if (count % 7 === 6 && waiting.length > 2 || !lane.offer(offer(count, text))) {
        const { seq, text } = waiting.shift()!;
        const claimed = worker.claim(() => 0)!;
        assert.equal(claimed.seq, seq);
        assert.ok(claimed.payload === text, `${character}: a payload is not what it was`);
        worker.done();
        continue;
      }
      waiting.push({ seq: lane.next - 1, text });
      most = Math.max(most, waiting.length);
    }
    for (const { text } of waiting) assert.ok(worker.claim(() => 0)!.payload === text);
    const bytes = new TextEncoder().encode(payload).length;
    assert.ok(most * bytes <= PAYLOAD_BYTES, `${most} payloads of ${bytes} bytes`);
    assert.ok((most + 2) * 21_010 * 3 > PAYLOAD_BYTES, `only ${most} payloads of ${bytes} bytes`);
  }
});

test("inbox: a payload fills the room to its last byte, and not beyond", () => {
  const { lane, worker } = inbox();
  const third = Math.floor(PAYLOAD_BYTES / 3);
  assert.ok(lane.offer(offer(0, "x".repeat(third))));
  // What it took is a third of what it might have.
  assert.ok(!lane.offer(offer(1, "x".repeat(third))));
  const rest = Math.floor((PAYLOAD_BYTES - third) / 3);
  assert.ok(!lane.offer(offer(1, "x".repeat(rest + 1))));
  assert.ok(lane.offer(offer(1, "y".repeat(rest))));
  assert.equal(worker.claim(() => 0)!.payload, "x".repeat(third));
  assert.equal(worker.claim(() => 0)!.payload, "y".repeat(rest));
  // All of it is free: whatever a lane offers by way of the ring has room, wherever the last one ended.
  for (let count = 0; count < 50; count++) {
    const text = "€".repeat(Math.floor(MAX_PAYLOAD / 3) - count * 7);
    assert.ok(lane.offer(offer(2, text)), `${count}`);
    assert.ok(worker.claim(() => 0)!.payload === text);
  }
  assert.ok(lane.offer({ ...offer(4, undefined), payload: undefined, flags: Flag.bulky }));
  assert.equal(worker.claim(() => 0)!.payload, undefined);
});

test("inbox: a payload for which there is just room has it", () => {
  const { lane, worker } = inbox();
  assert.ok(lane.offer(offer(0, "x")));
  const rest = "y".repeat((PAYLOAD_BYTES - 1) / 3);
  assert.ok(lane.offer(offer(1, rest)));
  assert.equal(worker.claim(() => 0)!.payload, "x");
  assert.ok(worker.claim(() => 0)!.payload === rest);
});

test("inbox: a worker that has said that it sleeps is woken by a message, once, and none that found something sleeps", () => {
  const { lane, worker } = inbox();
  assert.ok(!lane.mustWake());
  assert.ok(worker.sleep(BARE));
  lane.offer(offer(0));
  assert.ok(lane.mustWake() && !lane.mustWake());
  assert.ok(!worker.sleep(BARE), "it sleeps though there is something");
  assert.ok(!lane.mustWake());
  worker.hold();
  assert.ok(worker.held && worker.sleep(BARE), "it is held: it has nothing to do but to be let go on");
  lane.release();
  assert.ok(!worker.held);
  assert.ok(lane.mustWake());
});

test("inbox: what a worker's cells claim is held to what can be", () => {
  const cells = { tail: 1, current: 4 };
  for (
    const [cell, value] of [[cells.tail, 3], [cells.tail, -1], [cells.current, 4]] as const
  ) {
    const { memory, lane } = inbox();
    lane.offer(offer(0));
    lane.offer(offer(1));
    memory.cells[cell] = value;
    assert.equal(lane.look(), undefined);
    assert.match(lane.wrong!, /claims/);
    assert.equal(lane.passed, 0);
  }
  const { memory, lane, worker } = inbox();
  lane.offer(offer(0));
  lane.offer(offer(1));
  worker.claim(() => 0);
  worker.claim(() => 0);
  assert.equal(lane.look(), 1);
  memory.cells[cells.current] = 1;
  assert.equal(lane.look(), undefined);
  assert.match(lane.wrong!, /offer 1 of 2 runs/);
});

test("inbox: what is below an offer's number is of the board: that the worker looks there, or what it has from there", () => {
  const { memory, lane, worker } = inbox();
  assert.deepEqual([lane.busy, lane.current, worker.open, lane.open], [false, undefined, false, false]);
  lane.open = true;
  assert.ok(worker.open && lane.open);
  worker.looks();
  assert.deepEqual([lane.busy, lane.current, lane.look()], [true, undefined, undefined]);
  worker.runs(-7, 5);
  assert.deepEqual([lane.busy, lane.current, lane.look(), lane.claimedAt], [true, -7, -7, 5]);
  worker.done();
  assert.deepEqual([lane.busy, lane.look(), lane.wrong, memory.cells[5]], [false, undefined, undefined, 1]);
  lane.open = false;
  assert.ok(!worker.open);
});

test("inbox: a worker for which there is something on the board does not sleep", () => {
  const { lane, worker } = inbox();
  assert.ok(!worker.sleep({ ...BARE, some: true }));
  assert.ok(!lane.sleeps && !lane.mustWake());
  worker.hold();
  assert.ok(worker.sleep({ ...BARE, some: true }), "it is held");
  assert.ok(lane.sleeps && lane.mustWake() && !lane.sleeps);
  lane.release();
  lane.offer(offer(0));
  assert.ok(worker.sleep({ some: true, halted: true }), "nothing is to start");
  assert.ok(lane.sleeps && lane.mustWake());
});

function outbox(bell: () => void = () => {}) {
  const cells = new Int32Array(new SharedArrayBuffer(4 * OUTBOX_CELLS));
  const ring = new SharedArrayBuffer(OUTBOX_BYTES);
  return { cells, ring, worker: new OutboxWriter(cells, ring, bell), lane: new OutboxReader(cells, ring) };
}

function fields(a: number, text: string | undefined): Fields {
  return { a, b: a + 1, c: a + 2, x: a + 0.25, y: -a, text };
}

/** Lets a writer that finds no room have the ring read. */
function reading(drain: () => void, act: () => void): void {
  const { wait } = atoms;
  let waits = 0;
  atoms.wait = (() => {
    assert.ok(++waits < 1_000, "it waits for ever");
    drain();
    return "ok";
  }) as typeof wait;
  try {
    act();
  } finally {
    atoms.wait = wait;
  }
}

/** A text of random length and characters. */
function textOf(roll: (sides: number) => number, longest: number): string {
  const alphabet = ["a", "z", "é", "€", "😀", "\u0000", "\n"];
  const unit = Array.from({ length: 1 + roll(5) }, () => alphabet[roll(alphabet.length)]).join("");
  return unit.repeat(roll(longest) / unit.length);
}

test("outbox: what is written is read as it is and in order, whatever its length, also round the end", () => {
  for (const seed of seeds(6)) {
    const roll = dice(seed);
    const { worker, lane } = outbox();
    const written: (readonly [number, Fields])[] = [];
    const read: (readonly [number, Fields])[] = [];
    const drain = () =>
      lane.drain((kind, got) => {
        read.push([kind, { ...got }]);
        return undefined;
      });
    for (let count = 0; count < 500; count++) {
      const text = roll(4) === 0 ? undefined : textOf(roll, roll(8) === 0 ? 20_000 : roll(3) === 0 ? 70 : 5);
      const record = [1 + roll(5), fields(count, text)] as const;
      written.push(record);
      reading(drain, () => worker.write(...record));
      if (roll(3) === 0 || count % 3 === 0) drain();
    }
    drain();
    assert.ok(!drain(), "nothing is left");
    assert.equal(lane.wrong, undefined);
    assert.deepEqual(read, written, `seed ${seed}`);
  }
});

test("outbox: a writer that finds no room rings and waits for the reader, and nothing is lost or overtaken", () => {
  let rung = 0;
  const { worker, lane } = outbox(() => void rung++);
  const read: number[] = [];
  let waited = 0;
  const drain = () => {
    waited++;
    assert.ok(rung > 0, "nobody was told that there is no room");
    lane.drain((_, { a }) => void read.push(a) as undefined);
  };
  reading(drain, () => {
    const text = "x".repeat(5_000);
    for (let count = 0; count < 400; count++) worker.write(RecordKind.log, fields(count, text));
  });
  lane.drain((_, { a }) => void read.push(a) as undefined);
  assert.ok(waited >= 3 && waited < 30, `${waited} waits`);
  assert.deepEqual(read, Array.from({ length: 400 }, (_, at) => at));
});

test("outbox: a text longer than the ring comes in one piece, at its lengths around a chunk, and parts no pair", () => {
  const { worker, lane } = outbox();
  const texts: (string | undefined)[] = [];
  const drain = () => void lane.drain((_, { text }) => void texts.push(text) as undefined);
  const chunk = OUTBOX_BYTES / 4;
  const third = Math.floor(chunk / 3);
  const all = [
    ..."ab".split("").map((letter) => letter.repeat(3 * OUTBOX_BYTES)),
    "😀".repeat(OUTBOX_BYTES),
    `x${"😀".repeat(chunk)}`,
    ...[third - 1, third, third + 1, chunk - 1, chunk, chunk + 1].map((length) => "é".repeat(length)),
    ...[third - 1, third, third + 1, chunk - 1, chunk, chunk + 1].map((length) => "€".repeat(length)),
  ];
  reading(drain, () => {
    for (const text of all) worker.write(RecordKind.outcome, fields(1, text));
    worker.write(RecordKind.outcome, fields(2, undefined));
  });
  drain();
  assert.equal(lane.wrong, undefined);
  assert.equal(texts.length, all.length + 1);
  all.forEach((text, at) => assert.ok(texts[at] === text, `text ${at}`));
  assert.equal(texts.at(-1), undefined);
});

test("outbox: a record that ends with the ring leaves no gap, and one that just does not fit goes to its start", () => {
  // A header has 40 bytes; records are as long as the next multiple of 8.
  for (const spare of [0, 8, 16, 40, 48, 56]) {
    const { worker, lane } = outbox();
    const read: (string | undefined)[] = [];
    const drain = () => void lane.drain((_, { text }) => void read.push(text) as undefined);
    const size = 16_384;
    reading(drain, () => {
      for (let count = 0; count < 15; count++) worker.write(RecordKind.log, fields(0, "x".repeat(size - 40)));
    });
    drain();
    // Three bytes for each are set aside, and what is not used is free again.
    worker.write(RecordKind.log, fields(0, "y".repeat(5_400)));
    drain();
    const rest = OUTBOX_BYTES - 15 * size - 5_440;
    worker.write(RecordKind.log, fields(0, "z".repeat(Math.floor((rest - 40 - spare) / 3))));
    drain();
    for (let count = 0; count < 40; count++) {
      worker.write(RecordKind.log, fields(0, "w".repeat(count * 61)));
      drain();
    }
    assert.equal(lane.wrong, undefined);
    assert.equal(read.length, 57);
    assert.deepEqual(
      read.slice(17).map((text) => text!.length),
      Array.from({ length: 40 }, (_, at) => at * 61),
    );
  }
});

test("outbox: a ring that is full to its last byte is read whole", () => {
  const { worker, lane } = outbox();
  worker.write(RecordKind.log, fields(0, "x".repeat(24)));
  const more = (OUTBOX_BYTES - 64) / 40;
  reading(() => assert.fail("there is room"), () => {
    for (let count = 0; count < more; count++) worker.write(RecordKind.alive, fields(count, undefined));
  });
  let read = 0;
  lane.drain(() => void read++ as undefined);
  assert.deepEqual([read, lane.wrong], [more + 1, undefined]);
});

test("outbox: one bell for each time that it is read, and no more is taken for the worker's", () => {
  let rung = 0;
  const { worker, lane } = outbox(() => void rung++);
  worker.write(RecordKind.log, fields(0, ""));
  worker.ring();
  worker.ring();
  assert.equal(rung, 1);
  assert.ok(lane.hears());
  lane.drain(() => undefined);
  worker.ring();
  assert.equal(rung, 2);
  assert.ok(lane.hears());
  assert.ok(!lane.hears());
});

test("outbox: nothing is read behind what is wrong", () => {
  const { worker, lane } = outbox();
  for (let count = 0; count < 3; count++) worker.write(RecordKind.log, fields(count, "x"));
  const read: number[] = [];
  lane.drain((_, { a }) => {
    read.push(a);
    return a === 1 ? "wrong" : undefined;
  });
  assert.deepEqual([read, lane.wrong], [[0, 1], "wrong"]);
  assert.ok(!lane.drain(() => assert.fail("it was read")));
});

test("text: what is read is what was written, around the length where the way changes, and in all characters", () => {
  for (const way of [ALONE, BESIDE_TASKS]) {
    const memory = new TextMemory(new SharedArrayBuffer(1_024), way);
    for (const character of ["a", "\u007f", "\u0080", "é", "€", "😀"]) {
      for (let count = 0; count <= 80; count++) {
        for (const text of [character.repeat(count), `${"x".repeat(count)}${character}`]) {
          const written = memory.write(text, 8);
          assert.equal(written, new TextEncoder().encode(text).length);
          assert.equal(memory.read(8, written), text);
        }
      }
    }
  }
});

test("text: a start parts no pair", () => {
  assert.equal(startOf("abc", 2), "ab");
  assert.equal(startOf("abc", 3), "abc");
  assert.equal(startOf("abc", 9), "abc");
  assert.equal(startOf("a😀b", 1), "a");
  assert.equal(startOf("a😀b", 2), "a");
  assert.equal(startOf("a😀b", 3), "a😀");
  assert.equal(startOf("a\ud800", 2), "a\ud800");
  assert.equal(startOf("\ud800b", 1), "");
  assert.equal(startOf("\udbffb", 1), "");
  assert.equal(startOf("\udc00b", 1), "\udc00");
});

test("unfinished: what was printed without an end is kept for its attempt and stream, as long as it has none", () => {
  const memory = unfinishedMemory();
  const [worker, lane] = [new Unfinished(memory), new Unfinished(memory)];
  assert.equal(lane.read(1, 0), undefined);
  worker.add(0, 6, "x");
  assert.equal(lane.read(0, 6), "x");
  worker.add(1, 7, "€uro ");
  worker.add(1, 7, "and more");
  worker.add(2, 8, "x".repeat(MAX_LINE));
  assert.equal(lane.read(1, 7), "€uro and more");
  assert.equal(lane.read(2, 8), "x".repeat(MAX_LINE));
  assert.equal(lane.read(1, 8), undefined);
  worker.clear(1);
  assert.equal(lane.read(1, 7), undefined);
  worker.add(1, 9, "€".repeat(MAX_LINE));
  assert.equal(lane.read(1, 9), "€".repeat(MAX_LINE));
  assert.equal(lane.read(2, 8), "x".repeat(MAX_LINE), "streams have room of their own");
  const words = new Int32Array(memory);
  words[2] = 3 * MAX_LINE + 1;
  assert.equal(lane.read(1, 9), undefined);
  words[2] = -1;
  assert.equal(lane.read(1, 9), undefined);
});
