/** Where what a pipeline names is found: the same functions and programs on every runtime, by one rule. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { bundlePipeline } from "../../src/environment/bundling.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { loadPlan } from "../../src/run/loading.ts";
import { only, see, withFolder } from "./rig.ts";

const BUILDER = new URL("../../mod.ts", import.meta.url).href;

const SCRIPT = `#!/bin/sh\nprintf '"%s"' "$(basename "$(pwd -P)")" > "$OUTRIDER_OUTPUT"\n`;

function lay(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
    if (text.startsWith("#!")) chmodSync(join(folder, name), 0o755);
  }
}

const FUNCTION = { module: "./tasks.ts", export: "f" };

function manifest(tasks: Readonly<Record<string, object>>): string {
  return JSON.stringify({
    outrider: 1,
    name: "p",
    tasks: Object.fromEntries(Object.entries(tasks).map(([name, run]) => [name, { run }])),
  });
}

async function values(file: string): Promise<Record<string, unknown>> {
  const { result } = await see(file);
  return Object.fromEntries(
    Object.keys(result.tasks).map((name) => {
      const { value, error } = only(result, name);
      return [name, value ?? error?.message];
    }),
  );
}

async function problems(file: string): Promise<string> {
  const error = await loadPlan(file).then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof PipelineError, `Loaded ${file}`);
  return error.message;
}

test("found: what lies beside a pipeline lies beside what it really is, by whatever symbolic links it is named", () =>
  withFolder(async (folder) => {
    lay(folder, {
      "real/word.ts": 'export const word: string = "the target";',
      "real/tasks.ts": 'import { word } from "./word.ts";\nexport const f = () => `beside ${word}`;',
      "real/run.sh": SCRIPT,
      "real/p.json": manifest({ f: FUNCTION, program: { command: ["./run.sh"] } }),
      "real/p.ts": `import { pipeline } from ${JSON.stringify(BUILDER)};
        import { word } from "./word.ts";
        const p = pipeline("p");
        p.task("f", () => \`beside \${word}\`);
        p.command("program", ["./run.sh"]);
        export default p;`,
      // What is beside the link is not it.
      "here/word.ts": 'export const word = "the link";',
      "here/tasks.ts": 'export const f = () => "beside the link";',
      "apart/p.json": manifest({ f: FUNCTION }),
    });
    for (const name of ["p.ts", "p.json"]) symlinkSync(`../real/${name}`, join(folder, "here", name));
    symlinkSync("real", join(folder, "folder"));
    symlinkSync("../real/tasks.ts", join(folder, "apart/tasks.ts"));
    for (const name of ["here/p.ts", "here/p.json", "folder/p.ts", "folder/p.json"]) {
      assert.deepEqual(await values(join(folder, name)), { f: "beside the target", program: "real" }, name);
    }
    assert.deepEqual(await values(join(folder, "apart/p.json")), { f: "beside the target" });
    const bundle = await bundlePipeline(join(folder, "here/p.ts"));
    assert.match(JSON.stringify(bundle), /the target/);
    assert.match(await problems(join(folder, "here/none.json")), /There is no such file/);
  }));

test("found: folders may have any characters but ? and \\, which not every runtime imports from", () =>
  withFolder(async (folder) => {
    const files = {
      "tasks.ts": 'import { word } from "./a word.ts";\nexport const f = () => word;',
      "a word.ts": 'export const word: string = "found";',
      "p.json": manifest({ f: FUNCTION, program: { command: ["pwd"] } }),
      "p.ts": `import { pipeline } from ${JSON.stringify(BUILDER)};
        import { word } from "./a word.ts";
        const p = pipeline("p");
        p.task("f", () => word);
        export default p;`,
    };
    for (const name of ["a b", "a#b", "a%41", "%", "new\nline", "ü'\"$`", "c:d", "a;b&c=d+e@f[1]{2}|^<>"]) {
      lay(join(folder, name), files);
      assert.equal((await values(join(folder, name, "p.json")))["f"], "found", name);
      assert.equal((await values(join(folder, name, "p.ts")))["f"], "found", name);
    }
    for (const [name, what] of [["a?b", '"?"'], ["a\\b", "backslash"]] as const) {
      lay(join(folder, name), files);
      for (const file of ["p.json", "p.ts"]) {
        const told = await problems(join(folder, name, file));
        assert.ok(
          told.includes(
            `No module can be imported from ${
              JSON.stringify(name)
            }: not every runtime takes a ${what} in a path`,
          ),
          told,
        );
      }
      const program = join(folder, name, "program.json");
      writeFileSync(program, manifest({ program: { command: ["./run.sh"] } }));
      lay(join(folder, name), { "run.sh": `#!/bin/sh\nprintf '"here"' > "$OUTRIDER_OUTPUT"\n` });
      assert.deepEqual(await values(program), { program: "here" });
    }
  }));

test("found: of a CommonJS module all that it exports, whichever way", () =>
  withFolder(async (folder) => {
    lay(folder, {
      "named.cjs": 'exports.f = () => "named"; exports["odd name"] = () => "odd";',
      "object.cjs":
        'const o = { f: () => "of an object" };\nfor (const k of ["g"]) o[k] = () => k;\nmodule.exports = o;',
      "function.cjs": 'module.exports = () => "itself";\nmodule.exports.f = () => "beside it";',
      "compiled.cjs":
        'Object.defineProperty(exports, "__esModule", { value: true });\nexports.default = () => "default";',
      "p.json": manifest({
        named: { module: "./named.cjs", export: "f" },
        odd: { module: "./named.cjs", export: "odd name" },
        object: { module: "./object.cjs", export: "f" },
        computed: { module: "./object.cjs", export: "g" },
        itself: { module: "./function.cjs" },
        beside: { module: "./function.cjs", export: "f" },
        compiled: { module: "./compiled.cjs" },
      }),
      "none.json": manifest({ t: { module: "./object.cjs", export: "none" } }),
      "p.cjs": `const { pipeline } = require(${
        JSON.stringify(fileURLToPath(new URL("../../src/pipeline/builder/builder.ts", import.meta.url)))
      });
        Object.defineProperty(exports, "__esModule", { value: true });
        const p = exports.default = pipeline("p");
        p.task("t", () => "of a pipeline");
        exports.other = pipeline("other");`,
    });
    assert.deepEqual(await values(join(folder, "p.json")), {
      named: "named",
      odd: "odd",
      object: "of an object",
      computed: "g",
      itself: "itself",
      beside: "beside it",
      compiled: "default",
    });
    assert.match(await problems(join(folder, "none.json")), /exports no function "none": it has f, g/);
    assert.deepEqual(await values(join(folder, "p.cjs")), { t: "of a pipeline" });
  }));
