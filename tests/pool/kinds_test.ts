/** Kinds of tasks, as they are run: a made-up one runs beside programs and functions, and ends with the run. */
import assert from "node:assert/strict";
import test from "node:test";
import { isolatedKind } from "../../src/pipeline/kinds/isolated.ts";
import { KINDS } from "../../src/pipeline/kinds/list.ts";
import { KEPT, RUNNERS } from "../../src/pool/kinds/list.ts";
import { echoKind } from "../fixtures/kinds/echo_kind.ts";
import { echoRunner, seen as told } from "../fixtures/kinds/echo_runner.ts";
import { shoutKind } from "../fixtures/kinds/shout_kind.ts";
import { withEntry, withKind } from "../fixtures/kinds/with_kinds.ts";
import { only, outcomes, printed, see, start } from "../run/rig.ts";

function withEcho<T>(act: () => Promise<T>): Promise<T> {
  told.opened = told.closed = 0;
  return withKind(echoKind, () => withEntry(RUNNERS, echoRunner, act));
}

function pipelineOf(tasks: Readonly<Record<string, unknown>>) {
  return { outrider: 1, name: "kinds", onFailure: "continue", tasks };
}

test("kinds: each that runs in no worker has what runs it", () => {
  // What is written as a function of a module may be planned as one in a process.
  const kinds = [...KINDS, isolatedKind];
  const at = (wanted: string) => kinds.filter(({ place }) => place === wanted).map(({ key }) => key).sort();
  assert.deepEqual(RUNNERS.map(({ key }) => key).sort(), at("own"));
  assert.deepEqual(KEPT.map(({ key }) => key).sort(), at("kept"));
});

test("kinds: one more runs beside the others, by its two files alone", () =>
  withEcho(async () => {
    const seen = await see(pipelineOf({
      sh: { run: { command: ["sh", "-c", 'echo 1 > "$OUTRIDER_OUTPUT"'] } },
      echo: { run: { echo: "hello" }, needs: ["sh"], params: { x: 1 } },
      broken: { run: { echo: "broken" }, retry: { attempts: 2, delay: 0 } },
      after: { run: { command: ["true"] }, needs: ["echo"] },
    }));
    assert.deepEqual(outcomes(seen.result), {
      sh: "succeeded",
      echo: "succeeded",
      broken: "failed",
      after: "succeeded",
    });
    assert.deepEqual(only(seen.result, "echo").value, {
      echo: "hello",
      run: seen.result.run,
      p: { x: 1 },
      i: { sh: 1 },
    });
    assert.deepEqual(printed(seen, "echo"), ["echo says hello"]);
    assert.deepEqual(told, { opened: 1, closed: 1 });
  }));

test("kinds: what runs of one more is stopped with the run", () =>
  withEcho(async () => {
    const going = start(pipelineOf({ stays: { run: { echo: "forever" } } }));
    await going.says("I wait");
    going.execution.cancel("enough");
    const { result } = await going.seen;
    const { outcome, because } = only(result, "stays");
    assert.deepEqual([outcome, because], ["cancelled", "enough"]);
    assert.deepEqual(told, { opened: 1, closed: 1 });
  }));

test("kinds: one whose tasks are functions runs on workers", () =>
  withKind(shoutKind("line"), async () => {
    const seen = await see(pipelineOf({
      one: { run: { shout: "loud" } },
      two: { run: { shout: "loud" }, needs: ["one"] },
    }));
    assert.deepEqual([only(seen.result, "one").value, only(seen.result, "two").value], ["one!", "two!"]);
  }));
