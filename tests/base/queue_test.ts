/** The queue, against a list; and what is thrown by who is told of something. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import test from "node:test";
import fc from "fast-check";
import { Queue } from "../../src/base/queue.ts";

test("a queue has what a list has, however much has gone through it", () => {
  const step = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: -3000, max: -1 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const queue = new Queue<number>();
      let list: number[] = [];
      let next = 0;
      for (const step of steps) {
        for (let times = 0; times < step; times++) {
          queue.push(next);
          list.push(next++);
        }
        const taken = Math.min(-step, list.length);
        for (let at = 0; at < taken; at++) assert.equal(queue.shift(), list[at]);
        if (taken > 0) list = list.slice(taken);
        assert.equal(queue.length, list.length);
        if (list.length > 0) {
          const middle = list.length >> 1;
          queue.put(middle, list[middle] = next++);
          for (const at of [0, middle, list.length - 1]) assert.equal(queue.at(at), list[at]);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("what a listener throws reaches the process, and nobody else", () => {
  const source = new URL("../../src/store/listeners.ts", import.meta.url).href;
  const code = `import { Listeners } from ${JSON.stringify(source)};
    const listeners = new Listeners();
    listeners.add("t", () => { throw new Error("thrown by a listener"); });
    listeners.add("t", (item) => console.log("told", item));
    listeners.tell("t", 1);
    console.log("went on");`;
  const args = "Deno" in globalThis
    ? ["eval", "--ext=ts", code]
    : "Bun" in globalThis
    ? ["-e", code]
    : ["--input-type=module", "-e", code];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stdout, "told 1\nwent on\n");
  assert.match(stderr, /thrown by a listener/);
  assert.notEqual(status, 0);
});
