/** A pipeline's text read with its tasks one by one: what `JSON.parse` makes of it, or nothing. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { readApart } from "../../src/pipeline/document/apart.ts";
import { readJson } from "../../src/model/json_text.ts";
import { withTasks } from "../../src/pipeline/document/task_list.ts";
import { SEED } from "../seed.ts";

/** The whole document; `undefined` where it is not for this reader. */
function read(text: string): unknown {
  const apart = readApart(text);
  if (apart === undefined) return undefined;
  const { head, list } = apart;
  list.names.forEach((name, index) => assert.equal(list.indexOf.get(name), index));
  assert.equal(list.indexOf.size, list.names.length);
  const { order, ...whole } = withTasks(head, list);
  if (order !== undefined) assert.deepEqual(order, list.names);
  return whole;
}

/** Few different ones, so that neighbours often have the same. */
const values = fc.oneof(
  fc.constantFrom<unknown>(
    { module: "./a.ts", export: "a" },
    { module: "./a.ts", export: "ab" },
    ["a", "b"],
    ["a", "bc"],
    ["a", { task: "b", on: "any" }],
    [],
    {},
    [""],
    "10s",
    "1",
    '"',
    "\\",
    "é\u2028\u0000",
    1,
    12,
    -1.5e300,
    true,
    false,
    null,
    [[["a"], {}], { a: { b: [1, "x"] } }],
  ),
  fc.jsonValue({ maxDepth: 3 }),
);
const keys = fc.oneof(
  fc.constantFrom("run", "needs", "timeout", "params", "a", "", 'q"', "__proto__"),
  fc.string(),
);
const names = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((at) => `t${at}`),
  fc.constantFrom("07", "7a", "__proto__", "tasks", "", "a\\", 'a"b', "é", "{", "}", "7"),
);
/** Mostly each key once. */
const pairs = <T>(key: fc.Arbitrary<string>, value: fc.Arbitrary<T>, maxLength: number) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.uniqueArray(fc.tuple(key, value), { maxLength, selector: ([key]) => key }) },
    { weight: 1, arbitrary: fc.array(fc.tuple(key, value), { maxLength }) },
  );
const members = pairs(keys, values, 5);
const tasks = pairs(
  names,
  fc.oneof({ weight: 99, arbitrary: members }, { weight: 1, arbitrary: values }),
  10,
);

/** JSON as somebody may write it: keys as often as they like, blanks anywhere. */
function written(
  pairs: readonly (readonly [string, unknown])[],
  blank: string,
  inside = (v: unknown) => JSON.stringify(v),
) {
  const text = pairs.map(([key, value]) => `${blank}${JSON.stringify(key)}${blank}:${blank}${inside(value)}`);
  return `{${text.join(`${blank},`)}${blank}}`;
}

const texts = fc.record({
  tasks,
  before: pairs(fc.constantFrom("outrider", "name", "y", "x"), values, 3),
  after: pairs(fc.constantFrom("loops", "z", "tasks", "v", "w"), values, 2),
  blank: fc.constantFrom("", "", " ", "\n  ", "\r\n\t"),
}).map(({ tasks, before, after, blank }) => {
  const task = (of: unknown) =>
    Array.isArray(of) && of.every((each) => Array.isArray(each) && each.length === 2)
      ? written(of as [string, unknown][], blank)
      : JSON.stringify(of);
  const list = written(tasks, blank, task);
  const all = [
    ...before.map(([key, value]) => [key, JSON.stringify(value)] as const),
    ["tasks", list] as const,
    ...after
      .map(([key, value]) => [key, JSON.stringify(value)] as const),
  ];
  return blank + written(all, blank, String) + blank;
});

function agrees(text: string): boolean {
  const found = read(text);
  const { value, problems } = readJson(text, "p.json");
  if (found === undefined) return false;
  assert.deepEqual(problems, [], text);
  // Also the order of the keys, and the sign of a zero.
  assert.equal(JSON.stringify(found), JSON.stringify(value), text);
  assert.deepEqual(found, value, text);
  return true;
}

test("what is read is what JSON.parse reads, with nothing there twice", () => {
  let read = 0;
  fc.assert(
    fc.property(texts, (text) => {
      if (agrees(text)) read++;
    }),
    { numRuns: 600, seed: SEED },
  );
  assert.ok(read > 60, `${read}`);
});

test("a text that is broken anywhere is not read", () => {
  const broken = fc.tuple(
    texts,
    fc.nat(),
    fc.constantFrom("", ",", '"', "}", "{", "]", "\\", ":", "x", "0", "\u0001"),
    fc.nat(2),
  );
  fc.assert(
    fc.property(broken, ([text, at, insert, cut]) => {
      const place = at % (text.length + 1);
      agrees(text.slice(0, place) + insert + text.slice(place + cut));
    }),
    { numRuns: 600, seed: SEED },
  );
});

test("pipelines as they are written are read so", () => {
  const task = (needs: string[], more = {}) => ({ run: { module: "./t.ts", export: "f" }, needs, ...more });
  const document = {
    outrider: 1,
    name: "p",
    tasks: {
      a: task([]),
      b: task(["a"]),
      "a name": task(["a", "b"], { timeout: "5s", params: { x: 1 } }),
      c: { needs: [{ task: "a", on: "any" }, "b"], retry: { attempts: 3 } },
      d: {},
    },
    loops: [{ from: "b", to: "a", times: 2 }],
  };
  for (const blanks of [undefined, 2, "\t"]) {
    const text = JSON.stringify(document, undefined, blanks);
    assert.deepEqual(read(text), document);
    const { list } = readApart(text)!;
    const [a, b] = list.tasks as { run: unknown }[];
    assert.equal(a!.run, b!.run, "what neighbours have in common is one object");
  }
});

test("a key that is as long as tasks is another one", () => {
  const document = { names: { a: {} }, tasks: { b: { needs: ["a"] } }, tisks: { c: 1 } };
  assert.deepEqual(read(JSON.stringify(document)), document);
});

test("what is there twice, and what says its order, is left to who reads the text as a whole", () => {
  const cases = [
    '{"tasks": {"a": {}, "a": {}}}',
    '{"tasks": {"a": {}, "\\u0061": {}}}',
    '{"tasks": {"a": {"x": 1, "x": 2}}}',
    '{"tasks": {"a": {"p": {"x": 1, "x": 2}}}}',
    '{"tasks": {"a": {}}, "tasks": {}}',
    '{"tasks": {"a": {}}, "x": {"y": 1, "y": 2}}',
    '{"tasks": {"a": {"p": [{"x": 1, "x": 2}]}}}',
    '{"order": ["a"], "tasks": {"a": {}}}',
    '{"tasks": {}}',
    '{"tasks": []}',
    '{"tasks": {"a": []}}',
    '{"x": {"tasks": {"a": {}}}}',
    '[{"tasks": {"a": {}}}]',
    '{"tasks": {"a": {"x": ["b" "c"]}}}',
    '{"tasks": {"a": {"x": ["b\n"]}}}',
    '{"tasks": {"a": {"x": ["b\\q"]}}}',
    '{"tasks": {"a": {"x": 01}}}',
    '{"tasks": {"a": {}}',
    '{"tasks": {"a": {}}}}',
    "",
    '{"tasks',
    '{"tasks":',
    '{"tasks":{"a',
    `{"tasks": {"a": {"p": ${"[".repeat(998)}${"]".repeat(998)}}}}`,
    `{"tasks": {"a": {}}, "p": ${"[".repeat(1_000)}${"]".repeat(1_000)}}`,
  ];
  for (const text of cases) assert.equal(readApart(text), undefined, text.slice(0, 80));
  assert.notEqual(readApart(`{"tasks": {"a": {"p": ${"[".repeat(997)}${"]".repeat(997)}}}}`), undefined);
  assert.equal(
    readJson(`{"tasks": {"a": {"p": ${"[".repeat(997)}${"]".repeat(997)}}}}`, "").problems.length,
    0,
  );
  assert.equal(
    readJson(`{"tasks": {"a": {"p": ${"[".repeat(998)}${"]".repeat(998)}}}}`, "").problems.length,
    1,
  );
});
