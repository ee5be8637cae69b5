/** Whose code it is that runs, however late, and in whichever way scopes are left. */
import assert from "node:assert/strict";
import test from "node:test";
import { leaveByResource, scope } from "../../src/runtime/scope.ts";

interface Owner {
  readonly name: string;
}

/** Whose each step is that two owners' code takes: of its own, after waits, in a scope of the other, and set going there. */
async function steps(): Promise<string[]> {
  const [a, b]: Owner[] = [{ name: "a" }, { name: "b" }];
  const seen: string[] = [];
  const sees = (what: string) => void seen.push(`${what} ${(scope.owner() as Owner | undefined)?.name}`);
  const work = async (its: string) => {
    sees(its);
    await null;
    sees(its);
    await new Promise((done) => setTimeout(done, 1));
    sees(its);
    scope.run(b, () => sees("b"), undefined);
    sees(its);
  };
  const both = [scope.run(a, work, "a"), scope.run(b, work, "b")];
  sees("undefined");
  const timers = scope.run(a, () => {
    const inner = scope.run(
      b,
      () => new Promise<void>((done) => setTimeout(() => (sees("b"), done()), 1)),
      undefined,
    );
    sees("a");
    queueMicrotask(() => sees("a"));
    return [inner, new Promise<void>((done) => setTimeout(() => (sees("a"), done()), 1))];
  }, undefined);
  assert.throws(() =>
    scope.run(a, () => {
      throw new Error("thrown");
    }, undefined), /thrown/);
  sees("undefined");
  await Promise.all([...both, ...timers]);
  sees("undefined");
  return seen;
}

test("scope: code belongs to who set it going, and after it to whom it belonged before, either way", async () => {
  for (const way of ["the storage's", "the resource's"]) {
    const seen = await steps();
    assert.equal(seen.length, 17, way);
    for (const step of seen) {
      const [expected, owner] = step.split(" ");
      assert.equal(owner, expected, `${way}: ${seen.join(", ")}`);
    }
    leaveByResource();
  }
});
