/** Tasks that want a worker of their own for a while: those with `onLost: "fail"` are never on a line. */
import assert from "node:assert/strict";
import test from "node:test";
import { run } from "../../mod.ts";

const CODE = `
import process from "node:process";
export const dies = () => process.exit(3);
export const diesOnce = ({ attempt }) => { if (attempt === 1) process.exit(3); return attempt; };
export const one = () => 1;
export async function meets({ store }) {
  await store.increment("here");
  for (let here = 0; here < 4;) here = await store.get("here");
}
`;
const module = `data:text/javascript,${encodeURIComponent(CODE)}`;
const task = (name: string, more: object = {}) => ({
  run: { module, export: name },
  onLost: "fail",
  ...more,
});

test("alone: a task whose only worker has gone gets another, and so does its retry", async () => {
  const { state, tasks } = await run({
    outrider: 1,
    name: "alone",
    onFailure: "continue",
    tasks: {
      a: task("dies", { allowFailure: true }),
      b: task("one", { needs: [{ task: "a", on: "any" }] }),
      c: task("diesOnce", { needs: ["b"], retry: { attempts: 2, delay: "1ms" } }),
    },
  } as never);
  assert.equal(state, "succeeded");
  assert.deepEqual([tasks["b"]![0]!.value, tasks["c"]!.at(-1)!.value], [1, 2]);
});

test("alone: tasks that are ready together run at the same time, also on fewer cores", async () => {
  const tasks = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, task("meets")]));
  const { state } = await run({ outrider: 1, name: "meet", tasks } as never, { workers: 1 });
  assert.equal(state, "succeeded");
});
