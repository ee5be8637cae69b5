/** What a worker may say on its port: each call and answer in the form that comlink sends, everything else told as wrong. */
import assert from "node:assert/strict";
import test from "node:test";
import { PortGate } from "../../src/pool/port_gate.ts";
import { Turns } from "../../src/pool/turns.ts";
import { STRAY } from "../../src/runtime/port.ts";
import { HandClock } from "../store/hand_clock.ts";

type Message = Readonly<Record<string, unknown>> & { readonly id: string };

class Rig {
  readonly clock: HandClock = new HandClock();
  readonly sent: Message[] = [];
  readonly called: unknown[][] = [];
  readonly gate: PortGate = new PortGate({
    services: {
      get: (...list: unknown[]) => {
        this.called.push(list);
        return list.length;
      },
    },
    turns: new Turns(this.clock),
    post: (message) => void this.sent.push(message as Message),
  });

  call(list: unknown, more: object = {}): string | undefined {
    return this.gate.hear({ id: "1", type: "APPLY", path: ["get"], argumentList: list, ...more });
  }

  /** The last question that the worker was asked. */
  get asked(): string {
    return this.sent.at(-1)!.id;
  }
}

const raw = (value: unknown) => ({ type: "RAW", value });

/** Lets comlink send what follows from what it has heard. */
async function sends(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await null;
}

test("gate: a call reaches its service with its arguments, and is answered by its number", async () => {
  const rig = new Rig();
  assert.equal(rig.call([raw("a"), raw({ b: 1 })]), undefined);
  await sends();
  assert.deepEqual(rig.called, [["a", { b: 1 }]]);
  assert.deepEqual(rig.sent.map(({ id, type, value }) => [id, type, value]), [["1", "RAW", 2]]);
  assert.equal(rig.call([1, 2, 3, 4].map(raw)), undefined, "four at most");
  await sends();
  assert.equal(rig.called.length, 2);
});

test("gate: what is no call of what there is, is told as wrong and reaches nothing", async () => {
  const none = "it has called get with no list of arguments";
  const form = "it has called get with an argument of a form that there is not";
  const wrongs: readonly (readonly [unknown, string])[] = [
    [STRAY, "it has sent a message past its program, or one that can't be read"],
    [null, "it has sent null"],
    ["text", 'it has sent "text"'],
    [undefined, "it has sent undefined"],
    [{}, "it has sent a message without a number"],
    [{ id: "" }, "it has sent a message without a number"],
    [{ id: 1 }, "it has sent a message without a number"],
    [
      { id: "x".repeat(65), type: "APPLY", path: ["get"], argumentList: [] },
      "it has sent a message without a number",
    ],
    [{ id: "1", type: "SET", path: ["get"] }, 'it has sent a message of the type "SET"'],
    [{ id: "1", type: {}, path: ["get"] }, "it has sent a message of the type an object"],
    [{ id: "1", type: "APPLY", path: "get" }, "it has called undefined, which is no service"],
    [{ id: "1", type: "APPLY", path: ["get", "call"] }, "it has called undefined, which is no service"],
    [{ id: "1", type: "APPLY", path: [] }, "it has called undefined, which is no service"],
    [{ id: "1", type: "APPLY", path: [5] }, "it has called 5, which is no service"],
    [{ id: "1", type: "APPLY", path: ["toString"] }, 'it has called "toString", which is no service'],
    [
      { id: "1", type: "APPLY", path: ["x".repeat(50)] },
      `it has called "${"x".repeat(40)}", which is no service`,
    ],
    [{ id: "1", type: "APPLY", path: ["get"] }, none],
    [{ id: "1", type: "APPLY", path: ["get"], argumentList: [1, 2, 3, 4, 5].map(raw) }, none],
    [{ id: "1", type: "APPLY", path: ["get"], argumentList: [{ type: "HANDLER", value: 1 }] }, form],
    [{ id: "1", type: "APPLY", path: ["get"], argumentList: [raw(1), null] }, form],
    [{ id: "1", type: "APPLY", path: ["get"], argumentList: [5] }, form],
    [{ id: "1", type: "RAW", value: 1 }, "it has answered what it was not asked"],
  ];
  for (const [message, words] of wrongs) {
    const rig = new Rig();
    assert.equal(rig.gate.hear(message), words);
    await sends();
    assert.deepEqual([rig.called, rig.sent], [[], []], words);
  }
  const rig = new Rig();
  const longest = { id: "x".repeat(64), type: "APPLY", path: ["get"], argumentList: [] };
  assert.equal(rig.gate.hear(longest), undefined);
});

test("gate: an answer settles the question it was asked, once", async () => {
  const rig = new Rig();
  const answer = rig.gate.calls.describe("file:///m");
  await sends();
  const { asked } = rig;
  assert.equal(rig.gate.hear({ id: asked, ...raw({ outrider: 1 }) }), undefined);
  assert.deepEqual(await answer, { outrider: 1 });
  assert.equal(rig.gate.hear({ id: asked, ...raw(2) }), "it has answered what it was not asked");
});

test("gate: an answer of a form that there is not is told as wrong", async () => {
  const thrown = (value: unknown, more: object = {}) => ({ type: "HANDLER", name: "throw", value, ...more });
  for (
    const form of [
      {},
      { type: "OTHER", value: 1 },
      thrown(1),
      thrown(null),
      thrown({ isError: true }, { name: "proxy" }),
      thrown({ isError: true }, { type: "RAW2" }),
    ]
  ) {
    const rig = new Rig();
    void rig.gate.calls.describe("file:///m").catch(() => {});
    await sends();
    const told = rig.gate.hear({ id: rig.asked, ...form });
    assert.equal(told, "it has answered in a form that there is not", JSON.stringify(form));
  }
});

test("gate: an error that is answered is one with a name and a message, whatever was thrown", async () => {
  const of = async (value: unknown) => {
    const rig = new Rig();
    const answer = rig.gate.calls.describe("file:///m").then(
      () => assert.fail("it was answered"),
      (error: Error) => error,
    );
    await sends();
    assert.equal(rig.gate.hear({ id: rig.asked, type: "HANDLER", name: "throw", value }), undefined);
    const { name, message, stack } = await answer;
    return { name, message, stack };
  };
  const whole = { name: "TypeError", message: "m", stack: "s" };
  assert.deepEqual(await of({ isError: true, value: whole }), whole);
  const bare = await of({ isError: true, value: { name: 1, message: {}, stack: 5 } });
  assert.deepEqual([bare.name, bare.message], ["Error", "Thrown: an object"]);
  assert.notEqual(bare.stack, 5);
  for (
    const [value, words] of [
      [{ isError: false, value: { name: "N", message: "m" } }, "Thrown: an object"],
      [{ isError: false, value: "text" }, 'Thrown: "text"'],
      [{ isError: true, value: null }, "Thrown: null"],
      [{ isError: true, value: 5 }, "Thrown: 5"],
      [{}, "Thrown: undefined"],
    ] as const
  ) {
    const { name, message } = await of(value);
    assert.deepEqual([name, message], ["Error", words]);
  }
});

/** A gate on a thread that is busy, so that what comes waits; a timer's turn, and a rest, make it free. */
function busyGate() {
  const clock = new HandClock(), turns = new Turns(clock);
  const called: number[] = [], timers: number[] = [];
  const services = {
    get: (at: number) => {
      called.push(at);
      // A timer of somebody else: how many calls were heard when its turn comes.
      if (at % 64 === 63) clock.after(0, () => timers.push(called.length));
    },
  };
  const gate = new PortGate({ services, turns, post() {} });
  turns.take(() => clock.skip(9));
  turns.take(() => clock.skip(17));
  return { gate, called, clock, timers };
}

test("gate: calls that have waited are heard in order, 64 at a time, and timers have their turn in between", async () => {
  const { gate, called, clock, timers } = busyGate();
  const call = (at: number) => gate.hear({ id: "1", type: "APPLY", path: ["get"], argumentList: [raw(at)] });
  for (let at = 0; at < 150; at++) assert.equal(call(at), undefined);
  assert.deepEqual(called, []);
  clock.advance(0);
  clock.advance(4);
  assert.deepEqual([timers, called], [[64, 128], Array.from({ length: 150 }, (_, at) => at)]);
  call(150);
  assert.equal(called.length, 151, "at once again");
  await sends();
});

test("gate: a worker that calls faster than it is answered is told so; a closed gate hears nothing more", async () => {
  const { gate, called, clock } = busyGate();
  const call = () => gate.hear({ id: "1", type: "APPLY", path: ["get"], argumentList: [] });
  for (let count = 0; count < 100_000; count++) assert.equal(call(), undefined);
  assert.equal(call(), "it calls faster than it can be answered");
  gate.close();
  clock.advance(0);
  clock.advance(10);
  await sends();
  assert.deepEqual([called, clock.timers], [[], 0]);
});
