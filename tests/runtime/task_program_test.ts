/** The command that runs tasks in a process: of a runtime it is given the code, of an executable it is that itself. */
import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import { itself } from "../../src/runtime/node_compat.ts";
import { runtime } from "../../src/runtime/runtime.ts";

test("task program: a runtime is given the code, and how large the heap may be where it knows such", () => {
  const command = runtime.taskProgram({ code: "1 + 1", heapMiB: 100 });
  assert.equal(command[0], process.execPath);
  // Before it, on Node, where what is compiled is kept if this process keeps it.
  assert.match(command.at(-1)!, /^(process.*enableCompileCache\("\S+"\);)?1 \+ 1$/);
  const limited = command.some((part) => part.includes("--max-old-space-size=100"));
  assert.equal(limited, runtime.name !== "bun");
});

test("task program: an executable is started itself, and only if it is one that then runs tasks", () => {
  assert.deepEqual(itself({ argument: "--tasks" }), [process.execPath, "--tasks"]);
  assert.throws(() => itself(undefined), /^Error: An executable that is not Outrider's own runs no tasks in/);
});
