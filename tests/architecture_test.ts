/**
 * Holds the rules of the house: who may import whom, where the runtimes and third parties may be touched. Type
 * imports count. To change a rule, change its table here and say why in the commit.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root: string = fileURLToPath(new URL("..", import.meta.url));

const PORT = "src/runtime/port.ts";
/** The texts of programs that are made of other sources. */
const GENERATED: readonly string[] = ["src/pool/worker_code.ts", "src/pool/process_code.ts"];
const FLOOR: readonly string[] = ["model", "base"];

/**
 * By room: the rooms, or single files, that it may import. `*`: all. A room may always import itself. What lies in no room
 * may import nothing but `mod.ts`, which a user sees and which names what there is.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "mod.ts": ["pipeline", "run", "journal", ...FLOOR],
  "testing.ts": ["mod.ts", "testing"],
  "loose": [],
  "agent": [
    "serving",
    "run",
    "config",
    "secrets",
    "uplink",
    "protocol",
    "journal",
    "pipeline",
    "runtime",
    "trust",
    ...FLOOR,
  ],
  "base": [],
  "cli": ["*"],
  // The dialects of gateways say which variables they have.
  "config": [
    "src/uplink/dialects/list.ts",
    "src/uplink/dialects/dialect.ts",
    "protocol",
    "trust",
    PORT,
    ...FLOOR,
  ],
  // The lock between processes is the journal's.
  "environment": ["run", "pipeline", "runtime", "trust", "src/journal/disk/lock.ts", ...FLOOR],
  // What a fleet's servers are asked fails as all of the uplink does.
  "fleet": ["protocol", "src/uplink/errors.ts", ...FLOOR],
  // Several gateways stand side by side before the servers of a fleet.
  // It serves a page of its own, as an executor does.
  "gateway": ["protocol", "fleet", "src/uplink/errors.ts", "src/page/gateway/page.ts", PORT, ...FLOOR],
  "http": ["pipeline", PORT, ...FLOOR],
  "journal": [PORT, ...FLOOR],
  "model": ["base"],
  "page": FLOOR,
  "pipeline": FLOOR,
  "pool": ["pipeline", PORT, ...FLOOR],
  "protocol": FLOOR,
  "run": ["pipeline", "schedule", "pool", "store", "journal", "secrets", "runtime", ...FLOOR],
  "runtime": ["base"],
  "schedule": ["pipeline", "model"],
  "secrets": ["journal", ...FLOOR],
  "serving": [
    "http",
    "page",
    "pipeline",
    "run",
    "config",
    "secrets",
    "journal",
    "store",
    "runtime",
    ...FLOOR,
  ],
  "store": ["pipeline", PORT, ...FLOOR],
  // A test's `ctx` is the one that tasks have in a worker, over services of its own.
  "testing": ["workers", "pool", "run", "store", "pipeline", "src/runtime/console.ts", ...FLOOR],
  "trust": ["pipeline", ...FLOOR],
  "uplink": ["protocol", "fleet", PORT, ...FLOOR],
  "workers": ["pipeline", "pool", "store", "runtime", ...FLOOR],
};

/** By third party: the only places that may import it. */
const CONFINED: Readonly<Record<string, RegExp>> = {
  // Schemas, configuration, what reads messages of others, and descriptions of routes, which name schemas.
  "valibot":
    /^src\/(protocol|config|environment|fleet|gateway|uplink)\/|^src\/base\/web\/|^src\/pipeline\/(document|import|kinds)\/|schema\.ts$/,
  // Loaded where a pipeline has a timetable, and asked for the next due time alone.
  "croner": /^src\/pipeline\/timetable\//,
  "comlink": /^(src\/pool|src\/runtime|workers)\//,
  "hono": /^src\/(http|gateway)\//,
  "esbuild": /^src\/environment\//,
  "fflate": /^src\/environment\//,
  "fzstd": /^src\/environment\//,
  "modern-tar": /^src\/environment\//,
  "xz-decompress": /^src\/environment\//,
  "@noble/hashes": /^src\/trust\//,
  "@nats-io/nats-core": /^src\/fleet\/client\.ts$/,
  "@nats-io/transport-node": /^src\/fleet\/client\.ts$/,
};

/** Where Deno, Node and Bun may be touched. */
const RUNTIME_FILES = /^src\/(runtime\/|journal\/disk\/(system|lock)\.ts$|gateway\/sqlite\w*\.ts$)/;

const TOUCH =
  /\b(?:Deno|Bun)\??\.\w+|(?<![.\w])process\.(?:argv|cwd|env|exit|hrtime|kill|memory\w+|nextTick|on|off|once|p\w+|std\w+|version\w*)\b/g;

/** Clocks and timers of the runtime. All that lasts is timed by the one clock of `src/base/clock.ts`, which bounds every timer. */
const RAW_TIME =
  /\bDate\.now\b|\bnew Date\(\)|\bperformance\.(?:now|timeOrigin|timing)\b|(?<![.\w])(?:AbortSignal\.timeout|(?:globalThis\.)?set(?:Timeout|Interval|Immediate))(?=\()/g;

/** What of them is used elsewhere, and why. */
const RAW_TIME_USED: readonly { readonly where: RegExp; readonly what: RegExp; readonly why: string }[] = [
  { where: /^src\/base\/(clock|primordials)\.ts$/, what: /./, why: "it is the clock" },
  {
    where: /^src\/page\//,
    what: /performance\.now|set|Abort/,
    why: "a browser's one thread; constants",
  },
  {
    where: /^src\/pipeline\/import\/wfformat\.ts$/,
    what: /performance\.now/,
    why: "code of a task, which is timed there",
  },
  {
    where: /^src\/runtime\/compiled\.ts$/,
    what: /setImmediate/,
    why: "no time, but the next turn; the clock is not loaded yet",
  },
  {
    where: /^src\/journal\/disk\/system\.ts$/,
    what: /setTimeout/,
    why: "timers that hold no process; constants",
  },
  {
    where: /^src\/runtime\/deno\/inside\.ts$/,
    what: /setInterval/,
    why: "looks at the heap of a worker that has no clock yet; a constant",
  },
  {
    where: /^src\/pool\/worker_clock\.ts$/,
    what: /timeOrigin|Date/,
    why: "finds what another thread's clock is to ours",
  },
];

/** Time, chance and the runtime as they lie about: by rooms where they are passed in, the file that says which they are. */
const PASSED_IN: Readonly<Record<string, string>> = {
  run: "src/run/world.ts",
  schedule: "",
  // What a worker's clock reads is asked in the worker.
  pool: "src/pool/worker_clock.ts",
};
/** Both ends of the memory that a worker shares take the language as it was before any task ran. */
const BESIDE_TASKS = /^src\/pool\/(?:ring\/|board\/(?:hand|memory|shared_values|sheet)\.ts$|unfinished\.ts$)/;
const AMBIENT =
  /(?<!\.)\b(?:systemClock|stampOffset|Date\.now|performance\.now|Math\.random|crypto\.(?!subtle)\w+|set(?:Timeout|Interval|Immediate))\b/g;
const AMBIENT_FILES = /^src\/(?:runtime\/runtime|base\/primordials)\.ts$/;

/** What a test would change for all that runs beside it. (The environment of the process is what some tests are about.) */
const GLOBALS = "(?:globalThis|Date|Math|performance|crypto|console|realWorld|systemClock|navigator)";
const PATCH = new RegExp(
  String.raw`\b${GLOBALS}(?:\.\w+)+\s*(?:[-+*/|&?]{0,2}=(?![=>])|\+\+|--)` +
    String.raw`|\b(?:Object|Reflect)\.(?:assign|definePropert\w+|set)\(\s*(?:${GLOBALS}|runtime)\b` +
    String.raw`|\bdelete\s+${GLOBALS}\.|\bmock\.(?:timers|method|property)\b`,
  "g",
);

/**
 * A wall time less something, or something less a wall time: what would be a duration, and isn't after a step. Stamps are
 * called `…At` or `at`, and come from `now()`.
 */
const STAMP = String.raw`(?:[\w.#?!()]*(?:\b|#)(?:\w+At|at)\b!?|Date\.parse\([^()]*\))`;
const WALL_DIFFERENCE = new RegExp(
  String
    .raw`(?<!performance)[.\s]now\(\)\s*-(?!-)|(?<!-)-\s*(?!performance)[\w.#]*\bnow\(\)|${STAMP}\s+-\s+${STAMP}`,
  "g",
);

/** Where such a thing is no difference of two wall times. */
const WALL_DIFFERENCE_USED: Readonly<Record<string, string>> = {
  "src/base/clock.ts": "`leftOf`, `between` and the anchor: the one place for it",
  "src/pipeline/plan/loops.ts": "`at` is a place in a list",
  "workers/line.ts": "a worker knows monotonic time alone, its own",
};

/** Names that several rooms export, by why they may. No name joins them without a reason, and what is unique again leaves. */
const SHARED_NAMES: Readonly<Record<string, readonly string[]>> = {
  "the language's own functions keep their names": ["exchange", "load"],
};
const EXPORTED = /^export (?:(?:declare|abstract|async) )*(?:class|const|function\*?|interface|type) (\w+)/gm;

/** A source file with what it imports: paths of ours, relative to the repository, or names of modules. */
interface Source {
  readonly path: string;
  readonly text: string;
  /** The text without comments and strings. */
  readonly code: string;
  readonly imports: readonly string[];
}

/** What is not code. A regular expression that holds a quote may hide what follows it, up to the next one. */
const COMMENT_OR_TEXT = /\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
const IMPORT = /\b(?:import|export)\b[^;"()]*?\bfrom\s*"(\d+)"|\bimport\s*\(?\s*"(\d+)"/g;

function parse(path: string, text: string): Source {
  const texts: string[] = [];
  const code = text.replace(COMMENT_OR_TEXT, (token) => {
    if (token.startsWith("/")) return " ";
    if (token.startsWith("`")) {
      return [...token.matchAll(/\$\{([^}]*)\}/g)].map(([, inside]) => `(${inside})`).join("");
    }
    return `"${texts.push(token.slice(1, -1)) - 1}"`;
  });
  const imports = [...code.matchAll(IMPORT)].map(([, from, bare]) => {
    const name = texts[Number(from ?? bare)]!;
    return name.startsWith(".") ? posix.join(posix.dirname(path), name) : name;
  });
  return { path, text, code, imports };
}

function sources(): Source[] {
  const paths = ["src", "workers"].filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`)
  );
  for (const entry of ["mod.ts", "testing.ts"]) if (existsSync(join(root, entry))) paths.push(entry);
  return paths.filter((path) => path.endsWith(".ts")).sort()
    .map((path) => parse(path, readFileSync(join(root, path), "utf8")));
}

/** `pool` of `src/pool/lines/next.ts`, `loose` of `src/defaults.ts`, `workers`, `mod.ts`. */
function roomOf(path: string): string {
  const parts = path.split("/");
  if (parts[0] !== "src") return parts[0]!;
  return parts.length > 2 ? parts[1]! : "loose";
}

function isOurs(name: string): boolean {
  return name === "mod.ts" || name === "testing.ts" || name.startsWith("src/") || name.startsWith("workers/");
}

function mayImport(from: string, to: string): boolean {
  const room = roomOf(from);
  const allowed = MAY_IMPORT[room] ?? [];
  return room === roomOf(to) || allowed.includes("*") || allowed.includes(roomOf(to)) ||
    allowed.includes(to) ||
    roomOf(to) === "loose";
}

/** The first cycle of a graph as its path, or nothing. */
function cycleOf(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...path, node]);
      if (cycle !== undefined) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

function packageOf(name: string): string {
  return name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/");
}

/** All that the sources do against a rule, as lines `path what`. */
function breaches(of: (source: Source) => readonly string[]): string[] {
  return sources().flatMap((source) => of(source).map((what) => `${source.path} ${what}`));
}

test("imports are found in all their forms, and not in comments", () => {
  const text = [
    'import { a } from "./a.ts"; // import "./not_1.ts"',
    'import type { B } from "../b.ts";',
    'export * from "./c.ts";',
    'export {\n  d,\n} from "pkg/d";',
    'import "./e.ts";',
    'const f = await import("./f.ts");',
    'type G = import("./g.ts").G;',
    '/* import "./not_2.ts" */',
    'export const text: string = "https://example.org/" + `no export "${f}" from "x"`;',
    'problem({ "export": "import" }, "from", "y");',
  ].join("\n");
  const found = ["src/x/a.ts", "src/b.ts", "src/x/c.ts", "pkg/d", "src/x/e.ts", "src/x/f.ts", "src/x/g.ts"];
  assert.deepEqual(parse("src/x/x.ts", text).imports, found);
});

test("a cycle is found as its path", () => {
  const graph = new Map([["a", ["b"]], ["b", ["c", "d"]], ["c", []], ["d", ["b"]]]);
  assert.deepEqual(cycleOf(graph), ["b", "d", "b"]);
  graph.set("d", ["c"]);
  assert.equal(cycleOf(graph), undefined);
});

test("every room imports only what it may", () => {
  assert.ok(sources().length > 10, "the sources were not found");
  const found = breaches(({ path, imports }) =>
    imports.filter((to) => isOurs(to) && !mayImport(path, to)).map((to) => `may not import ${to}`)
  );
  assert.deepEqual(found, []);
});

test("only runtime/, the wiring and the command line choose a runtime", () => {
  const adapters = /^src\/runtime\/(?!port\.ts$)/;
  const found = breaches(({ path, imports }) =>
    /^(mod\.ts|src\/(runtime|run|serving|agent|environment|cli|testing)\/.+|workers\/.+)$/.test(path)
      ? []
      : imports.filter((to) => adapters.test(to)).map((to) => `may not import the adapter ${to}`)
  );
  assert.deepEqual(found, []);
});

/** What asks which runtime this is. Whatever differs by that is in `runtime/NAME/`, chosen in one place. */
const ASKS_RUNTIME =
  /"(?:Deno|Bun)" in\b|\btypeof (?:Deno|Bun)\b|\bruntime\.name\s*[!=]==|\bversions\.(?:bun|deno)\b|\bglobalThis\.(?:Deno|Bun)\b/g;

test("only the choice of the runtime asks which one it is", () => {
  for (const asks of ['"Deno" in globalThis', "typeof Bun", 'runtime.name === "deno"', "globalThis.Bun"]) {
    assert.ok(asks.match(ASKS_RUNTIME), asks);
  }
  const found = breaches(({ path, text }) =>
    /^src\/runtime\/(deno|node|bun)\//.test(path) || GENERATED.includes(path)
      ? []
      : [...text.matchAll(ASKS_RUNTIME)].map(([what]) => `asks ${what}`)
  );
  assert.deepEqual(found, []);
});

test("nothing imports what lies outside of mod.ts, src/ and workers/", () => {
  const found = breaches(({ imports }) =>
    imports.filter((to) => /^(\.\.|\/|\.ci|tests|bench|examples|dist)\b/.test(to)).map((to) =>
      `imports ${to}`
    )
  );
  assert.deepEqual(found, []);
});

test("a name that is exported means one thing in all rooms, or has a reason to mean more", () => {
  const rooms = new Map<string, Set<string>>();
  for (const { path, text } of sources()) {
    for (const [, name] of text.matchAll(EXPORTED)) {
      rooms.set(name!, (rooms.get(name!) ?? new Set()).add(roomOf(path)));
    }
  }
  const shared = [...rooms].filter(([, { size }]) => size > 1).map(([name]) => name).sort();
  assert.deepEqual(shared, Object.values(SHARED_NAMES).flat().sort());
});

/** A class's fields, as they are declared at its top level: private ones, public ones, accessors' own. */
function fieldsOf(body: string): string[] {
  const field =
    /^ {2}(?:(?:static|declare|override|readonly|accessor|public|private|protected) )*(#?\w+)[?!]?(?::.*|\s*=.*|;.*)$/gm;
  return [...body.matchAll(field)].map(([, name]) => name!);
}

/** Most fields that a class may have: one that has more is two things. */
const MOST_FIELDS = 10;

test("no class has more fields than one thing needs", () => {
  const body = [
    "  readonly a: string;",
    "  #b = 1;",
    "  static c?: (x: number) => void;",
    "  declare d: Map<string, { x: 1 }>",
    "",
    "  get e(): number {",
    "    this.f = 1;",
    "  }",
    "  g(): void {",
    "  }",
    "  #h: Set<string> =",
    "    new Set();",
    "  i(x: number): void {",
  ].join("\n");
  assert.deepEqual(fieldsOf(body), ["a", "#b", "c", "d", "#h"]);
  const found = sources().flatMap(({ path, text }) =>
    [...text.matchAll(/^(?:export )?(?:default )?(?:abstract )?class (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)]
      .filter(([, , body]) => fieldsOf(body!).length > MOST_FIELDS).map(([, name]) => `${path} ${name}`)
  );
  assert.deepEqual(found, []);
});

test("no file imports itself by way of others", () => {
  const graph = new Map(sources().map(({ path, imports }) => [path, imports.filter(isOurs)]));
  assert.equal(cycleOf(graph)?.join(" -> "), undefined);
});

test("Deno, Node and Bun are touched only where they may be", () => {
  const found = breaches(({ path, code, imports }) => {
    if (RUNTIME_FILES.test(path)) return [];
    return [
      ...imports.filter((name) => /^(node|bun|jsr|https?):/.test(name)).map((name) => `imports ${name}`),
      ...[...code.matchAll(TOUCH)].map(([what]) => `uses ${what}`),
    ];
  });
  assert.deepEqual(found, []);
});

test("the clock and the timers of the runtime are used only by the one clock", () => {
  const found = breaches(({ path, code }) =>
    [...code.matchAll(RAW_TIME)].map(([what]) => what)
      .filter((what) => !RAW_TIME_USED.some((used) => used.where.test(path) && used.what.test(what)))
      .map((what) => `uses ${what}: take systemClock of src/base/clock.ts`)
  );
  assert.deepEqual(found, []);
});

test("where time, chance and the runtime are passed in, one file says which they are", () => {
  for (
    const text of [
      "systemClock.now()",
      "= Math.random;",
      "crypto.randomUUID()",
      "setTimeout(x, 1)",
      "stampOffset()",
    ]
  ) {
    assert.ok(` ${text}`.match(AMBIENT), text);
  }
  for (const text of ["clock.stampOffset()", "this.#random()", "crypto.subtle.digest"]) {
    assert.ok(!` ${text}`.match(AMBIENT), text);
  }
  const found = breaches(({ path, code, imports }) => {
    const where = PASSED_IN[roomOf(path)];
    if (where === undefined || where === path) return [];
    return [
      ...[...code.matchAll(AMBIENT)].map(([what]) => `uses ${what}: have it passed in`),
      ...imports.filter((to) => AMBIENT_FILES.test(to) && !BESIDE_TASKS.test(path)).map((to) =>
        `imports ${to}: have it passed in`
      ),
    ];
  });
  assert.deepEqual(found, []);
});

test("no test changes what all share: a clock, chance, threads are handed in", () => {
  const wrong = [
    "Date.now = () => 1",
    "globalThis.setTimeout = later",
    "Math.random = seeded(1)",
    "performance.now = hand",
    "Object.assign(runtime, {})",
    'Object.defineProperty(globalThis, "fetch", {})',
    "delete globalThis.fetch",
    "globalThis.fetch ??= x",
    "t.mock.timers.enable()",
  ];
  for (const text of wrong) assert.ok(` ${text}`.match(PATCH), text);
  for (
    const text of [
      "const at = Date.now();",
      "Date.now() === 1",
      "performance.now() <= 5",
      "(x = Date.now()) => x",
    ]
  ) {
    assert.ok(!` ${text}`.match(PATCH), text);
  }
  // What tasks of the fixtures do to their own worker is their affair.
  const found = readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.startsWith("fixtures/"))
    .sort()
    .map((name) => parse(`tests/${name}`, readFileSync(join(root, "tests", name), "utf8")))
    .flatMap(({ path, code }) => [...code.matchAll(PATCH)].map(([what]) => `${path} says ${what}`));
  assert.deepEqual(found, []);
});

test("no duration is the difference of two wall times", () => {
  const wrong = [
    "clock.now() - startedAt",
    "until - clock.now()",
    "Date.now() - x",
    "run.endedAt! - run.startedAt!",
    "Date.parse(endedAt) - Date.parse(startedAt)",
    "record.at - this.#startedAt",
    "x -systemClock.now()",
  ];
  for (const text of wrong) assert.ok(` ${text}`.match(WALL_DIFFERENCE), text);
  const right = [
    "clock.monotonic() - startedAt",
    "until - clock.monotonic()",
    "last + ms - performance.now()",
    "clock.now() + ms",
    "at - 1",
    "between(startedAt, endedAt)",
  ];
  for (const text of right) assert.ok(!` ${text}`.match(WALL_DIFFERENCE), text);
  const found = breaches(({ path, code }) =>
    path in WALL_DIFFERENCE_USED
      ? []
      : [...code.matchAll(WALL_DIFFERENCE)].map(([what]) =>
        `says "${what.trim()}": take monotonic time, or what src/base/clock.ts has for stamps`
      )
  );
  assert.deepEqual(found, []);
});

/** Reads of our variables from the environment, by name or by a constant. */
const VARIABLE_READ =
  /\benv\??\.?\(\s*(?:"(?:OUTRIDER|NETUNICORN)_\w*"|[A-Z][A-Z_]+\b)|\[\s*"OUTRIDER_\w*"\s*\]/g;

/** Who reads variables that are no settings, and why. */
const VARIABLE_READ_USED: Readonly<Record<string, string>> = {
  "src/agent/supervise.ts": "what a supervisor tells its child, written and read here alone",
  "src/environment/debian/mirror.ts":
    "what builds is no agent, and has no settings: where it fetches packages from",
  "src/run/device/ledger.ts": "also a program that runs a pipeline by itself shares what is of the device",
};

/** Where kinds of tasks find the interpreters of the device: also a program that runs a pipeline by itself has them. */
const INTERPRETERS = /^src\/pool\/kinds\//;

test("our variables are read where settings are made, and nowhere again", () => {
  for (const text of ['env("OUTRIDER_TOKEN")', "runtime.env(SUPERVISED)", 'process.env["OUTRIDER_URL"]']) {
    assert.ok(text.match(VARIABLE_READ), text);
  }
  assert.ok(!'env("NO_COLOR")'.match(VARIABLE_READ));
  const found = breaches(({ path, text }) =>
    path.startsWith("src/config/") || path in VARIABLE_READ_USED || INTERPRETERS.test(path) ||
      path.endsWith("code.ts")
      ? []
      : [...text.matchAll(VARIABLE_READ)].map(([what]) => `reads ${what}: config/ has it`)
  );
  assert.deepEqual(found, []);
});

/** Where it could matter which dialect a gateway speaks; elsewhere netUnicorn is a kind of tasks. */
const ASKS_GATEWAYS =
  /^src\/(?:agent|config|serving|http|uplink)\/|^src\/cli\/(?:commands\/agent\.ts$|ask\/)/;

test("nothing but the list asks which dialect a gateway speaks", () => {
  const found = breaches(({ path, code, imports }) =>
    !ASKS_GATEWAYS.test(path) || path.startsWith("src/uplink/dialects/") ? [] : [
      ...imports.filter((to) => /^src\/uplink\/dialects\/(?!list\.ts$|dialect\.ts$)/.test(to)).map((to) =>
        `imports ${to}`
      ),
      ...[...code.matchAll(/\bnetunicorn\w*|\bdialect\??\.name\b|\boutriderGateway\b/gi)].map(([what]) =>
        `says ${what}`
      ),
    ]
  );
  assert.deepEqual(found, []);
});

test("third parties are imported only where they may be, and each has its reason", () => {
  const reasons = readFileSync(join(root, "docs/dependencies.md"), "utf8");
  const found = breaches(({ path, imports }) =>
    imports.filter((name) => !isOurs(name) && !name.startsWith("node:")).map(packageOf).flatMap((name) => [
      ...(CONFINED[name]?.test(path) ?? true ? [] : [`may not import ${name}`]),
      ...(reasons.includes(`\`${name}\``)
        ? []
        : [`imports ${name}, which docs/dependencies.md does not name`]),
    ])
  );
  assert.deepEqual(found, []);
});

test("every file opens by saying what it owns", () => {
  const found = breaches(({ text }) =>
    /^(#!.*\n)?\/(\*\*|\/)/.test(text) ? [] : ["does not open with a comment"]
  );
  assert.deepEqual(found, []);
});

test("no type is `any`, and no check is switched off", () => {
  const found = breaches(({ text, code }) => [
    ...[...code.matchAll(/(?::|<|\bas|\||=)\s*any\b(?=\s*[;,)>|=\]{}[])/g)].map(([what]) => `says "${what}"`),
    ...[...text.matchAll(/@ts-(?:ignore|expect-error|nocheck)|deno-lint-ignore/g)].map(([what]) =>
      `says ${what}`
    ),
  ]);
  assert.deepEqual(found, []);
});

test("deno.json and package.json have the same version and the same exports", () => {
  const [deno, npm] = ["deno.json", "package.json"].map((name) =>
    JSON.parse(readFileSync(join(root, name), "utf8"))
  );
  assert.equal(npm.version, deno.version);
  const built = (path: string) => path.replace("./", "./dist/").replace(/\.ts$/, ".js");
  const exports = Object.entries(npm.exports as Record<string, { default: string }>);
  assert.deepEqual(
    Object.fromEntries(exports.map(([name, target]) => [name, target.default])),
    Object.fromEntries(
      Object.entries(deno.exports as Record<string, string>).map(([name, to]) => [name, built(to)]),
    ),
  );
});

test("the changelog opens with the present version", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const first = /^## (.+)$/m.exec(readFileSync(join(root, "CHANGELOG.md"), "utf8"))?.[1];
  assert.ok(first?.startsWith(version), `CHANGELOG.md opens with ${first}, package.json says ${version}`);
});
