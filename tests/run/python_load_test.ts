/** What is known of Python tasks before they run: what `check` finds, what a bundle carries, what is installed. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { bundlePipeline } from "../../src/environment/bundling.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { openBundle } from "../../src/pipeline/document/bundle.ts";
import { PythonFiles } from "../../src/pool/kinds/python_files.ts";
import { loadDocument } from "../../src/run/loading.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { testWithPackages } from "../python_packages.ts";
import { testWith } from "../system.ts";
import { only, outcomes, see, start, withFolder } from "./rig.ts";

const python = (name: string, fn: () => void | Promise<void>) => testWith(["python3"], `python: ${name}`, fn);

/** Writes files into a folder. */
function put(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** Does something with variables set. */
async function withEnv<T>(variables: Readonly<Record<string, string>>, act: () => Promise<T>): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await act();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

function pipelineOf(runs: Readonly<Record<string, object>>): Record<string, unknown> {
  const tasks = Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, { run }]));
  return { outrider: 1, name: "p", onFailure: "continue", tasks };
}

const CHECKED = `
from elsewhere import imported
def fine(ctx): pass
async def later(ctx, more=1, *, other=2): pass
def all_of(*given): pass
def none(): pass
def two(ctx, more): pass
def named(ctx, *, more): pass
class Kind: pass
number = 3
made = fine
if True:
    def inner(ctx): pass
else:
    try:
        from elsewhere import perhaps
    except ImportError:
        perhaps = None
@imported
def decorated(): pass
raise RuntimeError("imported")
`;

python(
  "what docs/python.md shows runs as it is copied, written both ways",
  () =>
    withFolder(async (folder) => {
      const page = readFileSync(new URL("../../docs/python.md", import.meta.url), "utf8");
      const shown = (language: string) => page.split(`\`\`\`${language}\n`)[1]!.split("```")[0]!;
      const from = new URL("../../mod.ts", import.meta.url).href;
      put(folder, {
        "tasks.py": shown("python"),
        "probe.json": shown("json"),
        "probe.ts": shown("ts").replace('"outrider"', JSON.stringify(from)),
      });
      for (const name of ["probe.json", "probe.ts"]) {
        const { result } = await see(`${folder}/${name}`);
        assert.deepEqual([result.state, only(result, "after").value], ["succeeded", 15], name);
      }
    }),
);

python(
  "check lists functions of a module, and not what it imports, which may be one all the same",
  () =>
    withFolder(async (folder) => {
      put(folder, {
        "brings.py": "import os, sys as system\nfrom elsewhere import probe\ndef first(ctx): pass\n",
      });
      const run = (name: string) => ({ python: "brings.py", function: name });
      const source = pipelineOf({ a: run("zzzzzz"), b: run("probe"), c: run("sistem") });
      const error = await loadDocument(source, { base: folder }).then(() => undefined, (error) => error);
      assert.deepEqual((error as PipelineError).problems.map(({ message }) => message), [
        '"brings.py" exports no function "zzzzzz": it has first',
        '"brings.py" exports no function "sistem": it has first',
      ]);
    }),
);

python("check reads modules by their syntax, and runs nothing of them", () =>
  withFolder(async (folder) => {
    put(folder, {
      "checked.py": CHECKED,
      "broken.py": "def f(ctx):\n  return (1\n",
      "stars.py": "from elsewhere import *\n",
    });
    const names = [
      "fine",
      "later",
      "all_of",
      "none",
      "two",
      "named",
      "Kind",
      "number",
      "made",
      "inner",
      "imported",
      "perhaps",
      "decorated",
      "fin",
    ];
    const source = pipelineOf({
      ...Object.fromEntries(names.map((name) => [name, { python: "checked.py", function: name }])),
      broken: { python: "broken.py", function: "f" },
      stars: { python: "stars.py", function: "anything" },
      gone: { python: "gone.py", function: "f", requirements: "none.txt" },
    });
    const error = await loadDocument(source, { base: folder }).then(() => undefined, (error) => error);
    assert.ok(error instanceof PipelineError, String(error));
    const place = (url: string) => new URL(url, `file://${folder}/`).href;
    assert.deepEqual(error.problems.map(({ place, message }) => `${place}: ${message}`).sort(), [
      'tasks.Kind.run.function: Kind of "checked.py" is a class and no function',
      `tasks.broken.run.python: Can't load "broken.py": ${
        /'\(' was never closed|unexpected EOF while parsing/.exec(error.message)![0]
      } ${/\(line \d, column \d+\)/.exec(error.message)![0]}`,
      `tasks.fin.run.function: "checked.py" exports no function "fin": did you mean "fine"?`,
      `tasks.gone.run.python: "${
        place("gone.py")
      }" is to be there. There is no such file; relative paths start at ${runtime.fileUrl(".")}`,
      `tasks.gone.run.requirements: "${
        place("none.txt")
      }" is to be there. There is no such file; relative paths start at ${runtime.fileUrl(".")}`,
      'tasks.named.run.function: named of "checked.py" needs the argument more: a task\'s function takes one, ctx',
      'tasks.none.run.function: none of "checked.py" takes no argument: a task\'s function takes one, ctx',
      'tasks.number.run.function: number of "checked.py" is a value and no function',
      'tasks.two.run.function: two of "checked.py" takes 2 arguments: a task\'s function takes one, ctx',
    ]);
  }));

python(
  "where there is no interpreter, check says what it could not look at",
  () =>
    withFolder(async (folder) => {
      put(folder, { "t.py": "def f(): pass\n" });
      const source = pipelineOf({ t: { python: "t.py", function: "f" } });
      const { warnings } = await withEnv(
        { OUTRIDER_PYTHON: join(folder, "none") },
        () => loadDocument(source, { base: folder }),
      );
      assert.deepEqual(warnings.map(({ place }) => place), ["tasks.t.run.python"]);
      assert.match(
        warnings[0]!.message,
        /^Can't look into "t\.py": There is no Python for the tasks: .*; install Python 3\.8/,
      );
    }),
);

python(
  "an interpreter that is none, or too old, is told with what to do",
  () =>
    withFolder(async (folder) => {
      const old = join(folder, "old");
      writeFileSync(old, "#!/bin/sh\nprintf '/usr/bin/python2\\n2.7.18\\n'\n", { mode: 0o755 });
      const none = join(folder, "none");
      writeFileSync(none, "#!/bin/sh\necho no python >&2\nexit 3\n", { mode: 0o755 });
      put(folder, { "t.py": "def f(ctx): pass\n" });
      const source = pipelineOf({ t: { python: join(folder, "t.py"), function: "f" } });
      const messages: string[] = [];
      for (const program of [old, none]) {
        const { result } = await withEnv({ OUTRIDER_PYTHON: program }, () => see(source));
        messages.push(only(result, "t").error!.message);
      }
      const advice = "install Python 3.8 or newer, or name one by OUTRIDER_PYTHON";
      assert.deepEqual(messages, [
        `/usr/bin/python2 is Python 2.7.18: ${advice}`,
        `${JSON.stringify(none)}, which OUTRIDER_PYTHON names, is no Python: no python; ${advice}`,
      ]);
    }),
);

python(
  "a bundle carries the modules with what they import, and runs where they are not",
  () =>
    withFolder(async (folder) => {
      put(folder, {
        "here/tasks.py":
          "import help\nfrom pack import part\ndef f(ctx):\n    return [help.two(), part.THREE, __file__]\n",
        "here/help.py": "import json\ndef two():\n    return 2\n",
        "here/pack/__init__.py": "",
        "here/pack/part.py": "THREE = 3\n",
        "here/unused.py": "",
        "other/tasks.py": "def f(ctx):\n    return 'other'\n",
        "p.json": JSON.stringify(pipelineOf({
          f: { python: "here/tasks.py", function: "f" },
          g: { python: "other/tasks.py", function: "f", memory: "1GiB" },
        })),
      });
      const bundle = await bundlePipeline(join(folder, "p.json"));
      assert.deepEqual(Object.keys(bundle.files ?? {}).sort(), [
        "0/help.py",
        "0/pack/__init__.py",
        "0/pack/part.py",
        "0/tasks.py",
        "1/tasks.py",
      ]);
      const temp = join(folder, "temp");
      mkdirSync(temp);
      const { result } = await withEnv(
        { TMPDIR: temp },
        () => see(bundle as unknown as Record<string, unknown>),
      );
      const [two, three, file] = only(result, "f").value as unknown[];
      assert.deepEqual([two, three, only(result, "g").value], [2, 3, "other"]);
      assert.ok(!String(file).startsWith(join(folder, "here")), String(file));
      assert.deepEqual(readdirSync(temp).filter((name) => !name.startsWith("outrider-guard-")), []);
      await assert.rejects(
        openBundle({ ...bundle, files: { ...bundle.files, "0/help.py": "changed" } }, "b"),
        /it was changed or damaged after it was made/,
      );
    }),
);

python(
  "a bundle carries the requirements that requirements include, if they lie in the same folder",
  () =>
    withFolder(async (folder) => {
      put(folder, {
        "in/all.txt": "-r more/some.txt\n-c limits.txt\n",
        "in/more/some.txt": "-r ../limits.txt\n",
        "in/limits.txt": "",
        "in/away.txt": "-r ../p.txt\n",
        "p.txt": "",
      });
      const bundle = (requirements: string) => {
        const source = pipelineOf({ f: { python: "p.py", function: "f", requirements } });
        put(folder, { "p.py": "def f(ctx): pass\n", "p.json": JSON.stringify(source) });
        return bundlePipeline(join(folder, "p.json"));
      };
      const { files } = await bundle("in/all.txt");
      const names = ["0/all.txt", "0/limits.txt", "0/more/some.txt", "1/p.py"];
      assert.deepEqual(Object.keys(files ?? {}).sort(), names);
      await assert.rejects(
        bundle("in/away.txt"),
        /includes .*p\.txt, which is not in its folder: put it beside/,
      );
    }),
);

python("a bundle of the typed builder carries them too", () =>
  withFolder(async (folder) => {
    put(folder, {
      "tasks.py": "def f(ctx):\n    return 4\n",
      "p.ts": 'import { pipeline } from "outrider";\nconst p = pipeline("b");\n' +
        'p.python("f", "tasks.py", { function: "f" });\nexport default p;\n',
    });
    const bundle = await bundlePipeline(join(folder, "p.ts"));
    assert.deepEqual(Object.keys(bundle.files ?? {}), ["0/tasks.py"]);
    const { result } = await see(bundle as unknown as Record<string, unknown>);
    assert.equal(only(result, "f").value, 4);
  }));

test("python: files of a bundle stay in a folder of their own", async () => {
  for (const name of ["../x.py", "/x.py", "a/../../x.py", "a//x.py", "./x.py", "a\\x.py", ""]) {
    const files = new PythonFiles(runtime);
    const all = `data:application/json;base64,${btoa(JSON.stringify({ [name]: "" }))}`;
    await assert.rejects(files.place(`${all}#${name}`), /which is no file in a folder of its own/, name);
    await files.remove();
  }
});

/** A wheel with one module. */
function makeWheel(folder: string, module: string): void {
  const program = [
    "import sys, zipfile",
    "folder, name = sys.argv[1:]",
    "info = name + '-1.0.dist-info/'",
    "files = {name + '.py': 'VALUE = 41\\n', info + 'METADATA': 'Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0\\n' % name,",
    "  info + 'WHEEL': 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}",
    "record = ''.join(each + ',,\\n' for each in [*files, info + 'RECORD'])",
    "with zipfile.ZipFile('%s/%s-1.0-py3-none-any.whl' % (folder, name), 'w') as wheel:",
    "    for each, text in {**files, info + 'RECORD': record}.items(): wheel.writestr(each, text)",
  ];
  execFileSync("python3", ["-c", program.join("\n"), folder, module]);
}

/** Whether the interpreter can install; Debian has pip in packages of its own. */
function hasPip(): boolean {
  const program =
    "import importlib.util as u, sys; sys.exit(not (u.find_spec('venv') and (u.find_spec('pip') or u.find_spec('ensurepip'))))";
  return spawnSync("python3", ["-c", program]).status === 0;
}

python(
  "requirements are installed once, from a folder of wheels without a network",
  () =>
    withFolder(async (folder) => {
      put(folder, {
        "t.py": "import tiny_part\ndef f(ctx):\n    return tiny_part.VALUE + 1\n",
        "requirements.txt": "-r more.txt\n",
        "more.txt": "tiny_part==1.0\n",
        "wheels/readme": "",
        "missing.txt": "tiny_part==2.0\n",
      });
      makeWheel(join(folder, "wheels"), "tiny_part");
      const source = (requirements: string) =>
        pipelineOf({
          f: { python: join(folder, "t.py"), function: "f", requirements: join(folder, requirements) },
        });
      await withEnv({ XDG_CACHE_HOME: join(folder, "cache"), PIP_NO_CACHE_DIR: "1" }, async () => {
        const first = await see(source("requirements.txt"));
        const attempt = only(first.result, "f");
        if (!hasPip()) {
          assert.match(
            attempt.error!.message,
            /install uv, or Python's venv and pip \(Debian: apt install python3-venv python3-pip\)$/,
          );
          return;
        }
        assert.equal(attempt.value, 42, JSON.stringify(attempt));
        const notes = first.logs.filter(({ from }) => from === "executor").map(({ text }) => text);
        assert.ok(
          notes.some((text) => /^Installing .*requirements\.txt for Python 3\..*, once/.test(text)),
          notes.join("\n"),
        );
        const again = await see(source("requirements.txt"));
        assert.equal(only(again.result, "f").value, 42);
        assert.ok(!again.logs.some(({ text }) => text.startsWith("Installing")), "it was installed again");
        const { error } = only((await see(source("missing.txt"))).result, "f");
        assert.match(
          error!.message,
          /missing\.txt can't be installed for Python 3\.\S+ \(.*\): .*tiny.part.*; make the package index reachable, or put all wheels into a folder wheels beside the file$/,
        );
      });
    }),
);

testWithPackages(
  ["uv==0.13.9"],
  "python: where uv is there, it makes the environment and installs into it, and says what is missing",
  (interpreter) =>
    withFolder(async (folder) => {
      put(folder, {
        "t.py": "import tiny_part\ndef f(ctx):\n    return tiny_part.VALUE + 1\n",
        "requirements.txt": "tiny_part==1.0\n",
        "missing.txt": "tiny_part==2.0\n",
        "wheels/readme": "",
      });
      makeWheel(join(folder, "wheels"), "tiny_part");
      const source = (requirements: string) =>
        pipelineOf({
          f: { python: join(folder, "t.py"), function: "f", requirements: join(folder, requirements) },
        });
      const env = {
        ...{ XDG_CACHE_HOME: join(folder, "cache"), UV_CACHE_DIR: join(folder, "uv") },
        PATH: `${dirname(interpreter)}:${process.env["PATH"]}`,
      };
      await withEnv(env, async () => {
        assert.equal(only((await see(source("requirements.txt"))).result, "f").value, 42);
        const { error } = only((await see(source("missing.txt"))).result, "f");
        assert.match(
          error!.message,
          /missing\.txt can't be installed for Python 3\.\S+ \(.*\): .*tiny.part.*; make the package index reachable/,
        );
      });
      const made = join(folder, "cache/outrider/python");
      const [environment] = readdirSync(made).filter((name) => !name.endsWith(".json"));
      assert.match(readFileSync(join(made, environment!, "pyvenv.cfg"), "utf8"), /^uv = /m);
    }),
);

python(
  "a run that is cancelled while requirements are installed ends at once, and nothing of that is left",
  () =>
    withFolder(async (folder) => {
      put(folder, {
        "t.py": "def f(ctx):\n    return 1\n",
        "requirements.txt": "tiny_part==3.0\n",
        // It says who it is, so that it can be looked whether it is gone.
        "bin/uv": `#!/bin/sh\necho $$ > ${folder}/pid\necho slow >&2\nsleep 600\n`,
      });
      chmodSync(join(folder, "bin/uv"), 0o755);
      const source = pipelineOf({
        f: { python: join(folder, "t.py"), function: "f", requirements: join(folder, "requirements.txt") },
      });
      const env = {
        XDG_CACHE_HOME: join(folder, "cache"),
        PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
      };
      await withEnv(env, async () => {
        const going = start(source);
        await going.until((event) => event.type === "log" && event.text === "requirements.txt: slow");
        going.execution.cancel("enough");
        const { result } = await going.seen;
        assert.deepEqual([result.state, outcomes(result)], ["cancelled", { f: "skipped" }]);
        const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
        assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
        assert.deepEqual(readdirSync(join(folder, "cache/outrider/python")), []);
      });
    }),
);
