/** Waiting: for a bell with and without memory, for an event with a limit, for an answer with a signal. */
import assert from "node:assert/strict";
import test from "node:test";
import { Bell, unlessAborted, within } from "../../src/base/wait.ts";

/** Timers that fire when they are told to. */
function handTimers() {
  const due = new Set<() => void>();
  const after = (_ms: number, fn: () => void) => {
    due.add(fn);
    return () => void due.delete(fn);
  };
  const fire = () => [...due].forEach((fn) => (due.delete(fn), fn()));
  return { clock: { after }, due, fire };
}

test("a bell tells a ring from a time that is over and from an abort, and leaves no timer", async () => {
  const { clock, due, fire } = handTimers();
  const bell = new Bell();
  const limit = { clock, ms: 5 };
  const rung = bell.wait(undefined, limit);
  bell.ring();
  assert.equal(await rung, true);
  assert.equal(due.size, 0);
  const late = bell.wait(undefined, limit);
  fire();
  assert.equal(await late, false);
  const gone = new AbortController();
  const left = bell.wait(gone.signal, limit);
  gone.abort();
  assert.equal(await left, false);
  assert.equal(await bell.wait(gone.signal), false);
  assert.equal(due.size + bell.size, 0);
});

test("a bell keeps a ring that nobody waits for only if it is made to, and only once", async () => {
  const { clock, fire } = handTimers();
  for (const keeps of [true, false]) {
    const bell = new Bell({ keeps });
    bell.ring();
    const first = bell.wait(undefined, { clock, ms: 1 });
    fire();
    assert.equal(await first, keeps);
    const second = bell.wait(undefined, { clock, ms: 1 });
    fire();
    assert.equal(await second, false);
    const heard = bell.wait();
    bell.ring();
    assert.equal(await heard, true);
    const third = bell.wait(undefined, { clock, ms: 1 });
    fire();
    assert.equal(await third, false, "a ring that was heard is not kept");
  }
});

test("an event is waited for until its limit, and no timer is left however it goes", async () => {
  const { clock, due, fire } = handTimers();
  await within(clock, 5, Promise.resolve());
  assert.equal(due.size, 0);
  await assert.rejects(within(clock, 5, Promise.reject(new Error("gone"))), /gone/);
  assert.equal(due.size, 0);
  const never = within(clock, 5, new Promise(() => {}));
  fire();
  await never;
});

test("an answer comes unless the signal is aborted first", async () => {
  const { signal } = new AbortController();
  assert.equal(await unlessAborted(signal, Promise.resolve(1)), 1);
  await assert.rejects(unlessAborted(signal, Promise.reject(new Error("no"))), /no/);
  const over = new AbortController();
  const answer = unlessAborted(over.signal, new Promise(() => {}));
  over.abort(new Error("aborted"));
  await assert.rejects(answer, /aborted/);
  await assert.rejects(unlessAborted(over.signal, Promise.resolve(2)), /aborted/);
});
