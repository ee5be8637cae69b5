/** What a task makes of the variables of its environment is its own. */
import assert from "node:assert/strict";
import test from "node:test";
import { manifest, only, see } from "./rig.ts";

for (const isolation of ["thread", "process"] as const) {
  test(`environment: what one task changes, the next one on its ${isolation} does not find`, async () => {
    const task = (needs: string[], exported: string) => ({ export: exported, isolation, needs });
    const { result } = await see(
      manifest("environ", {
        change: task([], "change"),
        looked: task(["change"], "look"),
        replace: task(["looked"], "replace"),
        lookedAgain: task(["replace"], "look"),
        fresh: { ...task(["lookedAgain"], "look"), fresh: true },
      }),
      { workers: 1, maxWorkers: 1 },
    );
    assert.equal(result.state, "succeeded", JSON.stringify(result.tasks));
    const { before, child } = only(result, "change").value as { before: { home: string }; child: string };
    assert.deepEqual(before, { left: [], child: "", imported: "yes", home: before.home });
    assert.equal(child, "setnamed");
    for (const name of ["looked", "lookedAgain", "fresh"]) {
      assert.deepEqual(only(result, name).value, before, name);
    }
    assert.deepEqual(only(result, "replace").value, ["OUTRIDER_TEST_WHOLE"]);
  });
}
