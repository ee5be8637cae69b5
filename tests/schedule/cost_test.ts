/** The cost of a task does not grow with the number of tasks: reads are counted, since time can't be trusted. */
import assert from "node:assert/strict";
import test from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { edgesOf } from "../../src/schedule/edges.ts";
import { ReadyQueue } from "../../src/schedule/ready_queue.ts";
import { Schedule } from "../../src/schedule/schedule.ts";
import { dice } from "./dice.ts";

interface Counter {
  reads: number;
}

/** The same object, which counts how often something in it is read. */
function counted<T extends object>(target: T, counter: Counter, known = new Map<object, object>()): T {
  const proxy = known.get(target) ?? new Proxy(target, {
    get(_, name) {
      counter.reads++;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "object" && value !== null ? counted(value, counter, known) : value;
    },
    set: (_, name, value) => Reflect.set(target, name, value),
  });
  known.set(target, proxy);
  return proxy as T;
}

type Shape = (size: number) => { readonly needs: readonly string[][]; readonly loops?: readonly unknown[] };

const name = (at: number) => `t${at}`;

const SHAPES: Readonly<Record<string, Shape>> = {
  "a chain": (size) => ({ needs: Array.from({ length: size }, (_, at) => at === 0 ? [] : [name(at - 1)]) }),
  "independent tasks": (size) => ({ needs: Array.from({ length: size }, () => []) }),
  "random layers": (size) => {
    const roll = dice(11);
    const above = (at: number) => name(Math.floor(at / 10 - 1) * 10 + roll(10));
    return {
      needs: Array.from({ length: size }, (_, at) => at < 10 ? [] : [...new Set([above(at), above(at)])]),
    };
  },
  "one before all, one after all": (size) => ({
    needs: Array.from({ length: size }, (_, at) => {
      if (at === 0) return [];
      return at < size - 1 ? [name(0)] : Array.from({ length: size - 2 }, (_, one) => name(one + 1));
    }),
  }),
  "half a chain, and half of it behind two that run for long": (size) => ({
    needs: Array.from({ length: size }, (_, at) => {
      if (at < 3) return [];
      return at % 2 === 0 ? [name(0), name(1)] : [name(Math.max(2, at - 2))];
    }),
  }),
  "many loops": (size) => ({
    needs: Array.from({ length: size }, (_, at) => at % 2 === 0 ? [] : [name(at - 1)]),
    loops: Array.from(
      { length: size / 2 },
      (_, at) => ({ from: name(2 * at + 1), to: name(2 * at), times: 2 }),
    ),
  }),
};

function planOf({ needs, loops = [] }: ReturnType<Shape>): Plan {
  const run = { module: "data:text/javascript,", export: "x" };
  // The first two are released first.
  const tasks = Object.fromEntries(
    needs.map((needs, at) => [name(at), { run, needs, ...(at < 2 ? { estimate: "1h" } : {}) }]),
  );
  return compile({ outrider: 1, name: "p", tasks, loops }, "file:///x/");
}

/** Runs a plan by way of one board with room for a few; its first two tasks run until nothing else is left. */
function carryOut(schedule: Schedule): void {
  const open = new Map<number, readonly number[]>();
  schedule.start();
  while (!schedule.ended) {
    const ready = Math.min(4, schedule.readyCount);
    const max = ready + (open.size < 32 ? 4 : 0);
    for (const { task, behind } of schedule.release(0, { max, ready })) open.set(task, behind);
    const free = [...open].filter(([, behind]) => behind.every((need) => !open.has(need)));
    const others = free.filter(([task]) => task > 1);
    for (const [task] of (others.length > 0 ? others : free).slice(0, 4)) {
      open.delete(task);
      schedule.settle(task, "succeeded");
    }
  }
}

/** Reads for each task of a plan of this size, while it is prepared and while it runs. */
function readsPerTask(shape: Shape, size: number): number {
  const counter = { reads: 0 };
  const plan = counted(planOf(shape(size)), counter);
  carryOut(new Schedule(plan, counted(edgesOf(plan), counter)));
  return counter.reads / size;
}

for (const [what, shape] of Object.entries(SHAPES)) {
  test(`a task costs the same among few and among many: ${what}`, () => {
    const [few, many] = [readsPerTask(shape, 200), readsPerTask(shape, 3_200)];
    assert.ok(many < few * 1.25, `${few} reads for each of 200 tasks, ${many} for each of 3,200`);
  });
}

test("the queue of ready tasks gives the lowest rank first, and costs a few reads for each doubling of its size", () => {
  const roll = dice(5);
  for (const size of [64, 1_024, 4_096]) {
    const counter = { reads: 0 };
    const order = Int32Array.from({ length: size }, (_, at) => at);
    for (let at = size - 1; at > 0; at--) {
      const other = roll(at + 1);
      [order[at], order[other]] = [order[other]!, order[at]!];
    }
    const queue = new ReadyQueue(counted(order, counter));
    for (let task = 0; task < size; task++) queue.push(task);
    let last = -1;
    for (let task = queue.pop(); task !== undefined; task = queue.pop()) {
      assert.equal(order[task], last + 1);
      last = order[task]!;
    }
    assert.equal(last, size - 1);
    assert.ok(counter.reads / size < 4 * Math.log2(size) + 8, `${counter.reads / size} reads at ${size}`);
  }
});
