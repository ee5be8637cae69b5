/** How what workers tell takes turns with timers and sockets on the executor's thread. */
import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { Turns } from "../../src/pool/turns.ts";

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

test("pool: work is done at once, until the thread has been busy for too long; then timers come first", async () => {
  const turns = new Turns(systemClock);
  const order: string[] = [];
  turns.take(() => order.push("at once"));
  assert.deepEqual(order, ["at once"]);
  setTimeout(() => order.push("timer"), 0);
  turns.take(() => busy(10));
  turns.take(() => busy(20));
  const done = Promise.withResolvers<void>();
  const late = () => {
    order.push("late");
    done.resolve();
  };
  turns.take(late);
  turns.take(late);
  assert.deepEqual(order, ["at once"]);
  await done.promise;
  assert.deepEqual(order, ["at once", "timer", "late"]);
  await new Promise((over) => setTimeout(over, 0));
  turns.take(() => order.push("at once again"));
  assert.equal(order.at(-1), "at once again");
  assert.equal(order.length, 4);
});

test("pool: work that never ends starves no timer, and all who wait are served", async () => {
  const turns = new Turns(systemClock);
  const counts = [0, 0, 0];
  let going = true;
  const works = counts.map((_, at) => () => {
    counts[at]!++;
    busy(5);
    // As a bell does that was rung while its ring was read.
    if (going) queueMicrotask(() => turns.take(works[at]!));
  });
  for (const work of works) turns.take(work);
  for (let turn = 0; turn < 5; turn++) await new Promise((next) => setTimeout(next, 10));
  going = false;
  assert.ok(counts.every((count) => count > 1), counts.join(", "));
});
