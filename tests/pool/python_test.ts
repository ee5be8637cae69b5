/** What tasks in Python stand on, without a Python: the interpreter, its environments, what is read of modules, their files. */
import assert from "node:assert/strict";
import test from "node:test";
import {
  environmentOf,
  type EnvironmentOptions,
  requirementFiles,
} from "../../src/pool/kinds/python_environment.ts";
import { PythonFiles } from "../../src/pool/kinds/python_files.ts";
import { interpreterOf, runTool } from "../../src/pool/kinds/python_interpreter.ts";
import { localFiles, look } from "../../src/pool/kinds/python_look.ts";
import { settle } from "./processless.ts";
import { type Answer, itself, type Outside, reached, Toolless } from "./toolless.ts";

const code = "OUTRIDER_PYTHON";

/** Interpreters and environments are remembered for as long as the process lives: each test has its own. */
let names = 0;
function ownName(): string {
  return `/opt/python-${++names}`;
}

function interpreter(answer: Answer, variables: Readonly<Record<string, string>> = {}) {
  const program = ownName();
  const outside = new Toolless({
    variables: { OUTRIDER_PYTHON: program, ...variables },
    answer: () => answer,
  });
  return { program, outside, found: () => interpreterOf(outside.port, { A: "1" }) };
}

test("python: the interpreter is the one that is named, else python3, and is asked once", async () => {
  const named = interpreter(itself("/real/python"));
  assert.deepEqual(await named.found(), { executable: "/real/python", version: "3.11.2" });
  assert.deepEqual(await named.found(), { executable: "/real/python", version: "3.11.2" });
  assert.equal(named.outside.groups.length, 1);
  const { command, cwd, env, stdin } = named.outside.last.options;
  assert.deepEqual([command[0], cwd, env, stdin], [named.program, "/here", { A: "1" }, ""]);
  assert.equal(named.outside.clock.timers, 0);
  const usual = interpreter(itself("/usr/bin/python3"), { OUTRIDER_PYTHON: "" });
  assert.equal((await usual.found()).executable, "/usr/bin/python3");
  assert.equal(usual.outside.last.options.command[0], "python3");
});

test("python: an interpreter that is too old, too new or none is refused, and looked for again", async () => {
  for (const version of ["3.8.0", "3.8", "3.13.1"]) {
    assert.equal((await interpreter(itself("/p", version)).found()).version, version);
  }
  const advice = /; install Python 3\.8 or newer, or name one by OUTRIDER_PYTHON$/;
  const cases: readonly [Answer, RegExp][] = [
    [itself("/p", "3.7.9"), /^\/p is Python 3\.7\.9: install Python 3\.8 or newer/],
    [itself("/p", "2.7.18"), /^\/p is Python 2\.7\.18: /],
    [itself("/p", "4.9.0"), /^\/p is Python 4\.9\.0: /],
    [itself("/p", "1.5.2"), /which OUTRIDER_PYTHON names, is no Python: it ended with exit code 0; /],
    [{ out: "\n3.11.2\n" }, /is no Python: it ended with exit code 0; /],
    [{ ...itself("/p"), code: 3, err: "first\nno module\n" }, /is no Python: no module; /],
    [{ out: "", code: 3 }, /is no Python: it ended with exit code 3; /],
    [{ error: new Error("ENOENT") }, /^There is no Python for the tasks: ENOENT; /],
  ];
  for (const [answer, message] of cases) {
    const { found, outside } = interpreter(answer);
    for (const times of [1, 2]) {
      await assert.rejects(found, { name: "PythonError", code, message });
      assert.equal(outside.groups.length, times, "it may be installed meanwhile");
    }
    if (message.source.endsWith("; ")) await assert.rejects(found, { message: advice });
  }
  const unnamed = new Toolless({ answer: () => ({ code: 1 }) });
  await assert.rejects(interpreterOf(unnamed.port, {}, ownName()), { message: /, which PATH has, is no/ });
});

test("python: an interpreter has half a minute to say what it is", async () => {
  const outside = new Toolless({ variables: { OUTRIDER_PYTHON: ownName() }, answer: () => undefined });
  const refused = assert.rejects(interpreterOf(outside.port, {}), { message: /is no Python/ });
  outside.clock.advance(29_999);
  assert.deepEqual(outside.last.signals, []);
  outside.clock.advance(1);
  assert.deepEqual(outside.last.signals, ["SIGKILL"]);
  await refused;
});

test("python: a program that takes too long is killed, and what it printed is whole, and bounded", async () => {
  const outside = new Toolless({ answer: () => undefined });
  const heard: number[] = [];
  const run = (limitMs: number) =>
    runTool(outside.port, {
      ...{ command: ["x"], env: {}, cwd: "/there", stdin: "in", limitMs },
      hear: ({ length }) => void heard.push(length),
    });
  const late = run(5_000);
  const umlaut = new TextEncoder().encode("ü");
  for (const byte of umlaut) outside.last.options.onOutput("stdout", new Uint8Array([byte]));
  assert.deepEqual([outside.last.options.cwd, outside.last.options.stdin], ["/there", "in"]);
  outside.clock.advance(4_999);
  assert.deepEqual(outside.last.signals, []);
  outside.clock.advance(1);
  assert.deepEqual(outside.last.signals, ["SIGKILL"]);
  const { signal, stdout, stderr } = await late;
  assert.deepEqual([signal, stdout, stderr, heard], ["SIGKILL", "ü", "", [1, 1]]);
  assert.deepEqual([outside.last.released, outside.clock.timers], [true, 0]);

  const large = run(1_000_000);
  const piece = new Uint8Array(16 * 1024 ** 2).fill(0x78);
  for (let count = 0; count < 5; count++) outside.last.options.onOutput("stderr", piece);
  // It leaves something that holds its output, and can't be killed.
  outside.last.dies = false;
  outside.last.ends({ code: 0, signal: undefined }, false);
  await settle();
  assert.deepEqual([outside.last.signals, outside.last.released], [["SIGKILL"], false]);
  assert.equal(outside.clock.timers, 1, "that of the end is gone");
  outside.clock.advance(999);
  await settle();
  assert.equal(outside.last.released, false);
  outside.clock.advance(1);
  assert.equal((await large).stderr.length, 64 * 1024 ** 2);
  assert.equal(outside.last.released, true);

  const plain = run(5_000);
  outside.last.ends({ code: 0, signal: undefined });
  await plain;
  assert.deepEqual(outside.last.signals, [], "what has ended is left alone");
});

const REQUIREMENTS = "/r/requirements.txt";
const PYTHON = { executable: "/usr/bin/python3", version: "3.11.2" };

/** Environments, each of requirements of its own, so that none is there already. */
function environments({ files = {}, variables = { HOME: "/home/me" }, ...more }: Outside = {}) {
  const text = `package==${++names}\n`;
  const outside = new Toolless({ files: { [REQUIREMENTS]: text, ...files }, variables, ...more });
  const options: EnvironmentOptions = {
    port: outside.port,
    interpreter: PYTHON,
    requirements: REQUIREMENTS,
  };
  return { outside, made: () => environmentOf(options) };
}

const BASE = "/home/me/.cache/outrider/python";

/** Folders have names by chance. */
function plain(commands: readonly string[], base = BASE): string[] {
  return commands.map((command) =>
    command.replaceAll(/\/[0-9a-f]{32}-[0-9a-f]{8}/g, "/ENV").replaceAll(base, "")
  );
}

test("environment: it is made once, by uv, in a folder for this user alone, and kept under its name", async () => {
  const { outside, made } = environments();
  const python = await made();
  assert.match(python, /^\/home\/me\/\.cache\/outrider\/python\/[0-9a-f]{32}-[0-9a-f]{8}\/bin\/python$/);
  assert.deepEqual(plain(outside.commands), [
    "uv venv --quiet --python /usr/bin/python3 /ENV",
    "uv pip install --python /ENV/bin/python -r /r/requirements.txt",
  ]);
  assert.deepEqual(outside.groups.map(({ options: { cwd, env } }) => [cwd, env]), [
    ["/r", { MINE: "1" }],
    ["/r", { MINE: "1" }],
  ]);
  assert.deepEqual(outside.made, [`${BASE} 700`]);
  const [, folder = ""] = /python\/([^/]+)\/bin/.exec(python) ?? [];
  assert.equal(outside.files.get(`${BASE}/${folder.slice(0, 32)}.json`), JSON.stringify(folder));
  assert.deepEqual(outside.removed, []);
  assert.deepEqual(outside.notes, [
    "shown Installing /r/requirements.txt for Python 3.11.2 (/usr/bin/python3), once; its tasks wait for it",
    "shown Installed /r/requirements.txt",
  ]);
  assert.equal(await made(), python);
  assert.equal(outside.groups.length, 2);
  assert.deepEqual([...outside.limits], [1024 ** 2]);
  assert.equal(outside.clock.timers, 0);
});

test("environment: one that is there is used, where all of it is there and its name can be one", async () => {
  for (
    const [pointer, bin, used] of [
      ['"abc-12"', ["pip", "python"], true],
      ['"abc-12"', ["pip"], false],
      ['"../abc"', ["python"], false],
      ["12", ["python"], false],
      ["{", ["python"], false],
    ] as const
  ) {
    const { outside, made } = environments({
      folders: { [`${BASE}/abc-12/bin`]: bin, [`${BASE}/../abc/bin`]: bin, [`${BASE}/12/bin`]: bin },
    });
    const { readText } = outside.port.runtime;
    outside.differs({
      readText: (path: string, most?: number) =>
        path.endsWith(".json") ? Promise.resolve(pointer) : readText(path, most),
    });
    const python = await made();
    assert.equal(python === `${BASE}/abc-12/bin/python`, used, pointer);
    assert.equal(outside.groups.length, used ? 0 : 2, pointer);
  }
});

test("environment: it is another one for other requirements, wheels or another interpreter", async () => {
  const text = `other==${++names}\n`;
  const made = new Set<string>();
  const of = async (more: Outside, interpreter = PYTHON) => {
    const outside = new Toolless({
      files: { [REQUIREMENTS]: text },
      variables: { HOME: "/home/me" },
      ...more,
    });
    made.add(await environmentOf({ port: outside.port, interpreter, requirements: REQUIREMENTS }));
    return outside;
  };
  await of({});
  await of({ files: { [REQUIREMENTS]: `${text}# more` } });
  await of({ files: { [REQUIREMENTS]: `${text}-r more.txt`, "/r/more.txt": "a" } });
  await of({ files: { [REQUIREMENTS]: `${text}-r more.txt`, "/r/more.txt": "b" } });
  await of({}, { ...PYTHON, version: "3.12.0" });
  await of({}, { ...PYTHON, executable: "/usr/bin/python3.11" });
  assert.equal(made.size, 6);
  const { commands } = await of({ folders: { "/r/wheels": ["a.whl", "b.whl"] } });
  assert.equal(
    plain(commands)[1],
    "uv pip install --python /ENV/bin/python --no-index --find-links /r/wheels -r /r/requirements.txt",
  );
  await of({ folders: { "/r/wheels": ["a.whl"] } });
  assert.equal(made.size, 8);
});

test("environment: what is included belongs to it, ten deep", async () => {
  const { outside, made } = environments();
  let read = 0;
  outside.differs({
    readText: (path) => {
      if (path.endsWith(".json")) return Promise.reject(new Error("none"));
      return Promise.resolve(`own-${read++}\n-r more.txt`);
    },
  });
  await made();
  assert.equal(read, 11);
});

test("environment: without uv it is made by Python itself, with a pip that can install elsewhere or its own", async () => {
  const quiet = "--disable-pip-version-check --no-input --progress-bar off -r /r/requirements.txt";
  for (
    const [pip, able] of [
      ["pip 22.3 from /usr/lib", true],
      ["pip 22.10 from /usr/lib", true],
      ["pip 23.0 from /usr/lib", true],
      ["pip 22.2 from /usr/lib", false],
      ["pip 21.9 from /usr/lib", false],
      ["No module named pip", false],
    ] as const
  ) {
    const { outside, made } = environments({
      answer: ([program, , , what]) =>
        program === "uv" ? { error: new Error("ENOENT") } : what === "--version" ? { out: pip } : {},
    });
    await made();
    assert.deepEqual(plain(outside.commands).slice(1), [
      "/usr/bin/python3 -m venv --without-pip /ENV",
      "/usr/bin/python3 -m pip --version",
      ...(able
        ? [`/usr/bin/python3 -m pip --python /ENV/bin/python install ${quiet}`]
        : ["/ENV/bin/python -m ensurepip --default-pip", `/ENV/bin/python -m pip install ${quiet}`]),
    ], pip);
    assert.deepEqual(plain(outside.removed), ["/ENV"], "what uv has left is removed");
  }
});

test("environment: one that can't be made is removed, told with what went wrong, and tried again", async () => {
  const failed = (end: Answer, at: string): Outside => ({
    answer: (command) => command.includes(at) ? end : command[0] === "uv" && at !== "-r" ? { code: 1 } : {},
  });
  const cases: readonly [Outside, RegExp][] = [
    [
      failed({ code: 1, out: "plain\n", err: "x\nERROR: no such\n  error: two\n" }, "-r"),
      /^\/r\/requirements\.txt can't be installed for Python 3\.11\.2 \(\/usr\/bin\/python3\): ERROR: no such; error: two; make the package index/,
    ],
    [failed({ code: 1, out: "out\n\n", err: "1\n2\n3\n4\n5" }, "-r"), /: 1; 2; 3; 4; make the/],
    [failed({ code: 1, err: "x\nERROR: one\n" }, "-r"), /: ERROR: one; make the/],
    [failed({ code: 7 }, "-r"), /: exit code 7; make the/],
    [failed({ error: new Error("gone") }, "-r"), /: gone; make the/],
    [failed({ code: 1, err: "z".repeat(3_000) }, "-r"), /\): z{2000}; make the/],
    [failed({ code: 1 }, "venv"), /: exit code 1; install uv, or Python's venv and pip/],
    [failed({ code: 2 }, "ensurepip"), /: exit code 2; install uv/],
  ];
  for (const [more, message] of cases) {
    const { outside, made } = environments(more);
    await assert.rejects(made, { name: "PythonError", code, message });
    assert.equal(plain(outside.removed).at(-1), "/ENV");
    const { length } = outside.groups;
    assert.deepEqual([...outside.files.keys()], [REQUIREMENTS]);
    await assert.rejects(made, { message });
    assert.equal(outside.groups.length, 2 * length);
  }
});

test("environment: one that is being made when its run is over is given up at once, and made by who still wants it", async () => {
  const { outside } = environments({ answer: () => undefined });
  const first = new AbortController(), second = new AbortController();
  const made = ({ signal }: AbortController) =>
    environmentOf({
      ...{ interpreter: PYTHON, requirements: REQUIREMENTS },
      port: { ...outside.port, over: signal },
    });
  const gone = assert.rejects(made(first), { name: "AbortError" });
  await reached(() => outside.groups.length === 1);
  const goesOn = made(second);
  const waits = new AbortController();
  const waited = assert.rejects(made(waits), { name: "AbortError" });
  let turns = 0;
  await reached(() => ++turns > 100);
  waits.abort();
  await waited;
  assert.deepEqual(outside.last.signals, [], "others wait for it yet");
  first.abort();
  await gone;
  assert.deepEqual(outside.groups[0]!.signals, ["SIGKILL"]);
  assert.deepEqual(plain(outside.removed), ["/ENV"]);
  for (let count = 2; count <= 3; count++) {
    await reached(() => outside.groups.length === count);
    outside.last.ends({ code: 0, signal: undefined });
  }
  assert.match(await goesOn, /bin\/python$/);
  assert.equal(outside.clock.timers, 0);
});

test("environment: making one may take two minutes, installing half an hour, and a line is shown every 5 s", async () => {
  const { outside, made } = environments({ answer: () => undefined });
  const failed = assert.rejects(made, { message: /: due already; two; three; four; make the package/ });
  await reached(() => outside.groups.length === 1);
  outside.clock.advance(119_999);
  assert.deepEqual(outside.last.signals, []);
  outside.last.ends({ code: 0, signal: undefined });
  await reached(() => outside.groups.length === 2);
  const install = outside.last;
  const says = (text: string) => install.prints("stdout", `${text}\n`);
  outside.notes.length = 0;
  says("  due already ");
  says("");
  outside.clock.advance(4_999);
  says("two");
  outside.clock.advance(1);
  says("three");
  says("four");
  assert.deepEqual(outside.notes, [
    "shown requirements.txt: due already",
    "noted requirements.txt: two",
    "shown requirements.txt: three",
    "noted requirements.txt: four",
  ]);
  outside.clock.advance(30 * 60_000 - 5_001);
  assert.deepEqual(install.signals, []);
  outside.clock.advance(1);
  assert.deepEqual(install.signals, ["SIGKILL"]);
  await failed;

  const slow = environments({ answer: ([program]) => program === "uv" ? { code: 1 } : undefined });
  const refused = assert.rejects(slow.made);
  await reached(() => slow.outside.groups.length === 2);
  slow.outside.clock.advance(119_999);
  assert.deepEqual(slow.outside.last.signals, []);
  slow.outside.clock.advance(1);
  assert.deepEqual(slow.outside.last.signals, ["SIGKILL"]);
  await refused;
});

test("environment: it lies with the agent's state, else where this user's programs keep things", async () => {
  const cases: readonly [Record<string, string>, string][] = [
    [{ OUTRIDER_STATE_DIR: "state", HOME: "/home/me", XDG_CACHE_HOME: "/x" }, "/here/state/python"],
    [{ HOME: "/home/me", XDG_CACHE_HOME: "/x" }, "/x/outrider/python"],
    [{ HOME: "/home/me", XDG_CACHE_HOME: "" }, BASE],
  ];
  for (const [variables, base] of cases) {
    const { outside, made } = environments({ variables });
    assert.match(await made(), new RegExp(`^${base}/[0-9a-f]{32}-`));
    assert.deepEqual(outside.made, [`${base} 700`]);
  }
  for (const variables of [{}, { HOME: "" }]) {
    await assert.rejects(environments({ variables }).made, { message: /^There is no place to install/ });
  }
});

test("requirements: a file is found with those that it includes, as deep as ten, and nothing elsewhere", async () => {
  const files: Record<string, string> = {
    "/r/a.txt": [
      "-r b.txt",
      "  --requirement=sub/c.txt",
      "-c b.txt",
      "--constraint /r/d.txt",
      "-r https://example.org/e.txt",
      "requests -r no.txt",
    ].join("\n"),
    "/r/b.txt": "x",
    "/r/sub/c.txt": "-r ../b.txt",
    "/r/d.txt": "",
    "/r/out.txt": "-r ../else.txt",
    "/else.txt": "",
    "/r/away.txt": "-r /x/r/b.txt",
    "/x/r/b.txt": "",
    "/r/gone.txt": "-r nothing.txt",
    "/r/loop.txt": "-r loop.txt",
  };
  const outside = new Toolless({ files });
  const of = (path: string) => requirementFiles(outside.port.runtime, path);
  assert.deepEqual(await of("/r/d.txt"), ["d.txt"]);
  outside.differs({
    readText: (path: string) => {
      const text = files[new URL(path, "file:///").pathname];
      return text === undefined ? Promise.reject(new Error("none")) : Promise.resolve(text);
    },
  });
  assert.deepEqual(await of("/r/a.txt"), ["a.txt", "b.txt", "sub/c.txt", "d.txt"]);
  await assert.rejects(of("/r/out.txt"), { message: /^\/r\/out\.txt includes \/else\.txt, which is not in/ });
  await assert.rejects(of("/r/away.txt"), { message: /^\/r\/away\.txt includes \/x\/r\/b\.txt/ });
  await assert.rejects(of("/r/gone.txt"), {
    message: /^The requirements \/r\/nothing\.txt can't be read: none$/,
  });
  assert.deepEqual(await of("/r/loop.txt"), ["loop.txt"]);
  let read = 0;
  outside.differs({ readText: () => (read++, Promise.resolve("-r x.txt")) });
  await of("/r/x.txt");
  assert.equal(read, 11, "ten deep below the first");
});

/** A port whose interpreter looks at modules, and says this. */
function looking(answer: Answer | ((options: { readonly stdin: string }) => Answer)) {
  const outside: Toolless = new Toolless({
    variables: { OUTRIDER_PYTHON: ownName() },
    answer: ([, flag], options) =>
      flag === "-c" ? itself("/real") : typeof answer === "function" ? answer(options) : answer,
  });
  return outside;
}

test("look: what there is in modules is what Python says of them, each in its place", async () => {
  const outside = looking({
    out: JSON.stringify({
      look: {
        "/m/a.py": { names: { f: null, g: "takes too much", h: 7 }, imported: ["os", 3], open: true },
        "/m/b.py": { names: {}, imported: "os", open: 1 },
        "/m/c.py": { error: "line 3: no" },
        "/m/d.py": { names: null },
        "/m/e.py": { error: 3, names: "x" },
        "/m/f.py": null,
      },
    }),
  });
  const urls = ["a", "b", "c", "d", "e", "f", "toString"].map((name) =>
    name === "toString" ? name : `file:///m/${name}.py`
  );
  const unknown = "Python did not say what is in it";
  assert.deepEqual(await look(outside.port, urls), {
    "file:///m/a.py": { exports: ["f"], unfit: { g: "takes too much" }, imported: ["os"], open: true },
    "file:///m/b.py": { exports: [], unfit: {}, imported: [], open: false },
    "file:///m/c.py": { error: "line 3: no" },
    "file:///m/d.py": { unknown },
    "file:///m/e.py": { unknown },
    "file:///m/f.py": { unknown },
    toString: { unknown },
  });
  const { command, stdin, env } = outside.last.options;
  assert.deepEqual(command.slice(0, 4), ["/real", "-I", "-S", "-c"]);
  assert.deepEqual(JSON.parse(stdin).look, [...urls.slice(0, 6).map((url) => url.slice(7)), "toString"]);
  assert.deepEqual(env, { MINE: "1" });
});

test("look: where nothing can be known, that is said of each module, and is no error", async () => {
  const cases: readonly [Toolless, string][] = [
    [
      looking({ out: "{", err: "a\nTraceback: no \n" }),
      "Python 3.11.2 (/real) could not read it: Traceback: no",
    ],
    [
      looking({ out: "", err: `${"y".repeat(600)}` }),
      `Python 3.11.2 (/real) could not read it: ${"y".repeat(500)}`,
    ],
    [looking({ out: "" }), "Python 3.11.2 (/real) could not read it"],
    [looking({ out: '{"look":null}' }), "Python did not say what is in it"],
    [looking({ out: '{"look":"text"}' }), "Python did not say what is in it"],
    [looking({ out: "{}" }), "Python did not say what is in it"],
  ];
  for (const [outside, unknown] of cases) {
    assert.deepEqual(await look(outside.port, ["file:///a.py", "file:///b.py"]), {
      "file:///a.py": { unknown },
      "file:///b.py": { unknown },
    });
  }
  const hangs: Toolless = new Toolless({
    variables: { OUTRIDER_PYTHON: ownName() },
    answer: ([, flag]) => flag === "-c" ? itself("/real") : undefined,
  });
  const asked = look(hangs.port, ["file:///a.py"]);
  await reached(() => hangs.groups.length === 2);
  hangs.clock.advance(59_999);
  assert.deepEqual(hangs.last.signals, []);
  hangs.clock.advance(1);
  assert.deepEqual(hangs.last.signals, ["SIGKILL"]);
  assert.match(JSON.stringify(await asked), /could not read it/);
});

test("look: what of a bundle was put on the disk to be looked at is removed", async () => {
  const outside = looking({ out: '{"look":{"/tmp/1/a.py":{"names":{"f":null},"open":false}}}' });
  const url = `${carried({ "a.py": "" })}#a.py`;
  const { [url]: seen } = await look(outside.port, [url]);
  assert.deepEqual(seen, { exports: ["f"], unfit: {}, imported: [], open: false });
  assert.deepEqual(outside.removed, ["/tmp/1"]);
});

test("look: what a module imports is a list of texts, or an error", async () => {
  const of = (files: unknown) => localFiles(looking({ out: JSON.stringify({ files }) }).port, "/m/a.py");
  assert.deepEqual(await of({ "/m/a.py": ["a.py", "b/c.py"] }), ["a.py", "b/c.py"]);
  assert.deepEqual(await of({ "/m/a.py": [] }), []);
  for (const wrong of [{ "/m/a.py": ["a.py", 3] }, { "/m/a.py": "a.py" }, {}, null, "x"]) {
    await assert.rejects(of(wrong), { code, message: "Python did not say what /m/a.py imports" });
  }
});

/** The files of a bundle, as a URL. */
function carried(files: Readonly<Record<string, unknown>>): string {
  return `data:application/json;base64,${btoa(JSON.stringify(files))}`;
}

test("files: those of a bundle are put into one folder of the run's own, which goes with it", async () => {
  const outside = new Toolless();
  const files = new PythonFiles(outside.port.runtime);
  const one = carried({ "a.py": "x", "sub/b.py": "y" });
  assert.deepEqual([await files.place("file:///m/data:a.py"), files.known("file:///m/data:a.py")], [
    "/m/data:a.py",
    "/m/data:a.py",
  ]);
  assert.equal(outside.made.length, 0);
  assert.equal(await files.place(`${one}#sub/b.py`), "/tmp/1/sub/b.py");
  assert.equal(await files.place(`${one}#a.py`), "/tmp/1/a.py");
  assert.deepEqual(outside.made, ["temp", "/tmp/1 700", "/tmp/1/sub 700"], "unpacked once");
  assert.equal(files.known(`${one}#a.py`), "/tmp/1/a.py");
  assert.deepEqual([...outside.files], [["/tmp/1/a.py", "x"], ["/tmp/1/sub/b.py", "y"]]);
  const bad = [{ "../a.py": "" }, { "/a.py": "" }, { "a\\b.py": "" }, { "./a.py": "" }, { "a//b": "" }, {
    "a.py": 3,
  }];
  for (const each of bad) {
    await assert.rejects(files.place(`${carried(each)}#a.py`), {
      message: /^The bundle carries ".*", which is no/,
    });
  }
  outside.differs({
    remove: (path: string) => {
      outside.removed.push(path);
      return Promise.reject(new Error("busy"));
    },
  });
  await files.remove();
  assert.deepEqual(outside.removed, ["/tmp/1"]);
});
