/** How work takes turns with timers, by a clock in the test's hand. */
import assert from "node:assert/strict";
import test from "node:test";
import { Turns } from "../../src/pool/turns.ts";
import { HandClock } from "../store/hand_clock.ts";

const PAUSE_MS = 1, ASK_MS = 8, WORK_MS = 16, REST_MS = 4;

class Rig {
  readonly clock: HandClock = new HandClock();
  readonly turns: Turns = new Turns(this.clock);
  readonly done: string[] = [];

  /** Work that takes some time. */
  take(name: string, ms = 0): void {
    this.turns.take(() => {
      this.done.push(name);
      this.clock.skip(ms);
    });
  }
}

test("turns: nothing is asked, and nothing waits, while pauses come", () => {
  const rig = new Rig();
  for (let count = 0; count < 20; count++) {
    rig.take("a", ASK_MS);
    rig.clock.skip(PAUSE_MS + 0.5);
  }
  assert.deepEqual([rig.done.length, rig.clock.timers], [20, 0]);
});

test("turns: without a pause for 8 ms a timer is asked for, and 16 ms later what comes waits for it", () => {
  const rig = new Rig();
  rig.take("first", ASK_MS);
  rig.take("at 8", 0.5);
  assert.equal(rig.clock.timers, 0);
  rig.take("asks", WORK_MS);
  assert.equal(rig.clock.timers, 1);
  rig.take("at the end", 1);
  assert.equal(rig.clock.timers, 1, "it was asked already");
  assert.deepEqual(rig.done, ["first", "at 8", "asks", "at the end"]);
  const waits = () => void rig.done.push("waits");
  rig.turns.take(waits);
  rig.turns.take(waits);
  assert.equal(rig.done.length, 4);
  // The timer's turn: now others get 4 ms.
  rig.clock.advance(0);
  assert.deepEqual([rig.done.length, rig.clock.timers], [4, 1]);
  rig.take("comes meanwhile");
  rig.clock.advance(REST_MS - 1);
  assert.equal(rig.done.length, 4);
  rig.clock.advance(1);
  assert.deepEqual(rig.done.slice(4), ["waits", "comes meanwhile"], "each once, in order");
  assert.equal(rig.clock.timers, 0);
  rig.take("at once again");
  assert.equal(rig.done.at(-1), "at once again");
});

test("turns: a timer that gets its turn in time puts nothing off", () => {
  const rig = new Rig();
  rig.take("a", ASK_MS + 1);
  rig.take("b");
  assert.equal(rig.clock.timers, 1);
  rig.clock.advance(0);
  assert.equal(rig.clock.timers, 0);
  // It is counted anew from that turn.
  rig.take("c", ASK_MS);
  rig.take("d");
  assert.deepEqual([rig.done, rig.clock.timers], [["a", "b", "c", "d"], 0]);
  rig.clock.skip(0.5);
  rig.take("e");
  assert.equal(rig.clock.timers, 1);
});

test("turns: what is taken later is done in a timer's turn, at once", () => {
  const rig = new Rig();
  rig.turns.takeLater(() => void rig.done.push("later"));
  assert.deepEqual(rig.done, []);
  rig.clock.advance(0);
  assert.deepEqual([rig.done, rig.clock.timers], [["later"], 0]);
});

test("turns: what waits and takes long lets others have their turn again", () => {
  const rig = new Rig();
  rig.take("a", ASK_MS + 1);
  rig.take("b", WORK_MS + 1);
  rig.take("c", ASK_MS + 1);
  rig.take("d", WORK_MS + 1);
  rig.take("e");
  rig.clock.advance(0);
  rig.clock.advance(REST_MS);
  assert.deepEqual(rig.done, ["a", "b", "c", "d"]);
  assert.equal(rig.clock.timers, 1);
  rig.clock.advance(REST_MS);
  assert.deepEqual(rig.done, ["a", "b", "c", "d", "e"]);
});
