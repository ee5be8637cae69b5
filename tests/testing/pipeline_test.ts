/** A whole pipeline in a test: as it is run, with values in the place of tasks, and with an end. */
import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { testRun } from "../../testing.ts";
import { withFiles } from "../rig.ts";
import p from "./pipeline.ts";

test("fakes come in the place of tasks, whose device is not asked for", async () => {
  const shape = { bytes: new Uint8Array([7, 8]), names: ['a "b"', "__proto__"] };
  const { state, outcomes, values, log, result } = await testRun(p, {
    params: { samples: 1 },
    fakes: { disk: 12.5, shape },
  });
  assert.equal(state, "succeeded");
  assert.deepEqual(new Set(Object.values(outcomes)), new Set(["succeeded"]));
  assert.equal(values["report"], "1 and 12.5");
  assert.equal(values["look"], '2 a "b",__proto__');
  assert.deepEqual(values["shape"], shape);
  assert.deepEqual(log.filter(({ task }) => task !== undefined).map(({ task, text }) => [task, text]), [
    ["measure", "measured 1"],
    ["report", "writing"],
  ]);
  assert.equal(result.tasks["measure"]?.length, 1);
});

test("a fake that is an error is thrown, and nothing is what a task without a value returns", async () => {
  const { state, outcomes, values, result } = await testRun(p, {
    fakes: {
      measure: undefined,
      disk: Object.assign(new TypeError("No disk"), { code: "ENODEV" }),
      shape: null,
    },
  });
  assert.equal(state, "failed");
  assert.deepEqual([outcomes["disk"], outcomes["measure"]], ["failed", "succeeded"]);
  assert.deepEqual([values["report"], values["measure"]], ["undefined and no disk", undefined]);
  const { name, message, code } = result.tasks["disk"]!.at(-1)!.error!;
  assert.deepEqual([name, message, code], ["TypeError", "No disk", "ENODEV"]);
});

test("the error of a fake has its fields, its cause and those that it stands for, also where it holds itself", async () => {
  const cause: Error = Object.assign(new RangeError("Too far"), { metres: 7, look: () => 1 });
  cause.cause = cause;
  const fake = new AggregateError([new Error("One"), "no error"], "Both", { cause });
  const { result } = await testRun(p, { fakes: { measure: fake, disk: 1, shape: null } });
  const error = result.tasks["measure"]!.at(-1)!.error!;
  assert.deepEqual([error.name, error.message], ["AggregateError", "Both"]);
  assert.deepEqual(error.errors?.map(({ message }) => message), ["One"]);
  assert.deepEqual([error.cause?.name, error.cause?.fields], ["RangeError", { metres: 7 }]);
});

test("a fake for a task that is not there is told with the nearest one, and nothing runs", async () => {
  await assert.rejects(testRun(p, { fakes: { dsk: 1 } }), {
    name: "PipelineError",
    message: /There is no task "dsk": did you mean "disk"\?/,
  });
  await assert.rejects(testRun(p, { fakes: { disk: (() => 1) as never } }), /disk is a function/);
});

test("a pipeline that is an object finds its modules from the base", () =>
  withFiles({ "tasks.mjs": "export const two = ({ inputs }) => inputs.one + 1;\n" }, async (base) => {
    const tasks = {
      one: { run: { command: ["none"] } },
      two: { run: { module: "./tasks.mjs", export: "two" }, needs: ["one"] },
    };
    const { values } = await testRun({ outrider: 1, name: "object", tasks }, { base, fakes: { one: 1 } });
    assert.equal(values["two"], 2);
  }));

test("a module that is its own code is tested as well", async () => {
  const builder = new URL("../../mod.ts", import.meta.url).href;
  const code = `import { pipeline } from ${JSON.stringify(builder)};
const p = pipeline("own", { module: import.meta.url });
const one = p.task("one", () => { throw new Error("Not here"); });
p.task("two", { one }, ({ inputs }) => inputs.one + 1);
export default p;`;
  const { values } = await testRun(`data:text/javascript,${encodeURIComponent(code)}`, { fakes: { one: 1 } });
  assert.equal(values["two"], 2);
});

test("a file is tested as well, with modules beside it; what needs more time than it gets is cancelled", () =>
  withFiles({
    "pipeline.json": JSON.stringify({
      outrider: 1,
      name: "file",
      tasks: {
        slow: { run: { module: "./tasks.js", export: "slow" } },
        real: { run: { module: "./tasks.js", export: "real" }, needs: ["slow"] },
      },
    }),
    "tasks.js": `export const slow = () => new Promise(() => {});
export const real = ({ inputs }) => inputs.slow + 1;
`,
    "package.json": '{"type": "module"}',
  }, async (cwd) => {
    const { values } = await testRun(`${cwd}/pipeline.json`, { fakes: { slow: 1 }, workers: 1 });
    assert.equal(values["real"], 2);
    const cut = async (timeout: number | string) => {
      const error = await testRun(`${cwd}/pipeline.json`, { timeout, killGraceMs: 0 }).then(
        () => assert.fail("It ended"),
        (error: Error) => error,
      );
      assert.equal(error.name, "TimeoutError");
      const [, how] =
        /^The pipeline was cancelled after (?:1|600|4000|20000)ms: (.*); give testRun a longer timeout, or a fake/
          .exec(error.message.replace("4s", "4000ms").replace("20s", "20000ms"))!;
      return how!;
    };
    assert.match(await cut(1), /^(?:it was still being loaded|nothing of it ran)$/);
    // How far it is by then is the machine's affair.
    for (const timeout of ["600ms", "4s", "20s"]) if (await cut(timeout) === "slow still ran") return;
    assert.fail("It never got as far as its first task");
  }));

test("testRun: a resource of the device is the test's own, and where executors share it is not looked at", async () => {
  const before = process.env["OUTRIDER_DEVICE_DIR"];
  process.env["OUTRIDER_DEVICE_DIR"] = fileURLToPath(import.meta.url);
  try {
    const { outcomes } = await testRun({
      outrider: 1,
      name: "device",
      resources: { uplink: { scope: "device" } },
      tasks: {
        a: { run: { command: ["true"] }, uses: ["uplink"] },
        b: { run: { command: ["true"] }, uses: ["uplink"] },
      },
    });
    assert.deepEqual(outcomes, { a: "succeeded", b: "succeeded" });
  } finally {
    if (before === undefined) delete process.env["OUTRIDER_DEVICE_DIR"];
    else process.env["OUTRIDER_DEVICE_DIR"] = before;
  }
});
