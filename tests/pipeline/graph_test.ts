/** Drawings of a plan. */
import assert from "node:assert/strict";
import test from "node:test";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { graph, GRAPH_FORMATS, type GraphFormat } from "../../src/pipeline/plan/graph.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";

const run = { module: "./t.ts" };

function planOf(tasks: unknown, rest: object = {}): Plan {
  return compile({ outrider: 1, name: 'a "b" \\<c>', tasks, ...rest }, "file:///x/");
}

const small: Plan = planOf({
  cpu: { run, estimate: "2s" },
  'x"]; <evil> & \\ `#1`': { run, needs: [{ task: "cpu", on: "failure" }] },
  joined: { needs: ["cpu", { task: 'x"]; <evil> & \\ `#1`', on: "any" }], join: "any" },
  send: { run, needs: ["joined"] },
}, {
  loops: [{ from: "cpu", to: "cpu", times: 1 }, { from: "send", to: "joined", times: 3, on: "failure" }],
});

test("a mapped task says of what it is run once for each", async () => {
  const mapped = planOf({
    scan: { run },
    whole: { run, each: { task: "scan" } },
    part: { run, each: { task: "scan", path: "/hosts" } },
  });
  const drawn = await graph(mapped, "mermaid");
  assert.match(drawn, /whole<br><i>for each of scan</);
  assert.match(drawn, /part<br><i>for each of \/hosts of scan</);
});

test("Mermaid", async () => {
  assert.equal(
    await graph(small, "mermaid"),
    `---
title: "a \\"b\\" \\\\<c>"
---
flowchart TD
  t0["cpu"]
  t1["x#34;#93;#59; #60;evil#62; #38; #92; #96;#35;1#96;"]
  t2(["joined<br><i>any of its needs</i>"])
  t3["send"]
  t0 -->|failure| t1
  t0 --> t2
  t1 -->|any| t2
  t2 --> t3
  t0 -. "again, at most 1 time" .-> t0
  t3 -. "again, at most 3 times, on failure" .-> t2
`,
  );
});

test("DOT", async () => {
  assert.equal(
    await graph(small, "dot"),
    `digraph "a \\"b\\" \\\\<c>" {
  rankdir=TB;
  node [shape=box, style=rounded, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  t0 [label="cpu"];
  t1 [label="x\\"]; <evil> &amp; \\\\ \`#1\`"];
  t2 [label="joined\\nany of its needs", shape=ellipse, style=dashed];
  t3 [label="send"];
  t0 -> t1 [label="failure"];
  t0 -> t2;
  t1 -> t2 [label="any"];
  t2 -> t3;
  t0 -> t0 [label="again, at most 1 time", style=dashed, constraint=false];
  t3 -> t2 [label="again, at most 3 times, on failure", style=dashed, constraint=false];
}
`,
  );
});

test("JSON", async () => {
  const evil = 'x"]; <evil> & \\ `#1`';
  assert.deepEqual(JSON.parse(await graph(small, "json")), {
    name: 'a "b" \\<c>',
    onFailure: "stop",
    tasks: [
      { name: "cpu", kind: "task", join: "all", rank: 0, estimateMs: 2000 },
      { name: evil, kind: "task", join: "all", rank: 1 },
      { name: "joined", kind: "sync", join: "any", rank: 2 },
      { name: "send", kind: "task", join: "all", rank: 3 },
    ],
    needs: [
      { from: "cpu", to: evil, on: "failure", as: "cpu" },
      { from: "cpu", to: "joined", on: "success", as: "cpu" },
      { from: evil, to: "joined", on: "any", as: evil },
      { from: "joined", to: "send", on: "success", as: "joined" },
    ],
    loops: [
      { from: "cpu", to: "cpu", times: 1, on: "success", body: ["cpu"] },
      { from: "send", to: "joined", times: 3, on: "failure", body: ["joined", "send"] },
    ],
  });
});

/** What a drawing in SVG must be to be well formed, as far as we write it. */
function elements(svg: string): string[] {
  const open: string[] = [];
  const all: string[] = [];
  for (const [, end, name, self] of svg.matchAll(/<(\/?)([a-z]+)(?:\s[a-zA-Z-]+="[^"<]*")*(\/?)>/g)) {
    if (end === "/") assert.equal(open.pop(), name);
    else if (self === "") open.push(name!);
    if (end === "") all.push(name!);
  }
  assert.deepEqual(open, []);
  assert.equal(svg.match(/</g)!.length, svg.match(/<\/?[a-z]+(?:\s[a-zA-Z-]+="[^"<]*")*\/?>/g)!.length);
  return all;
}

test("SVG has every task, need and loop, and no name breaks out", async () => {
  const svg = await graph(small, "svg");
  const all = elements(svg);
  assert.equal(all.filter((name) => name === "path").length, 4 + 4 + 2, "arrows, needs, loops");
  assert.equal(svg.match(/<g class="task">/g)?.length, 3);
  assert.equal(svg.match(/<g class="sync">/g)?.length, 1);
  for (
    const label of [
      ">failure<",
      ">any<",
      ">again, at most 1 time<",
      ">again, at most 3 times, on failure<",
      ">any of its needs<",
    ]
  ) {
    assert.ok(svg.includes(label), label);
  }
  assert.ok(svg.includes("<title>x&#34;]; &#60;evil&#62; &#38; \\ `#1`</title>"));
  assert.ok(!/NaN|undefined|Infinity/.test(svg));
  assert.equal(svg, await graph(small, "svg"));
});

test("SVG of a deep and of a wide pipeline", async () => {
  const chain = Object.fromEntries(
    Array.from({ length: 300 }, (_, at) => [`t${at}`, at === 0 ? {} : { needs: [`t${at - 1}`] }]),
  );
  const wide = {
    start: {},
    ...Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`t${at}`, { needs: ["start"] }])),
  };
  for (const tasks of [chain, wide]) {
    const svg = await graph(planOf(tasks), "svg");
    assert.equal(elements(svg).filter((name) => name === "g").length, Object.keys(tasks).length);
  }
});

test("what is too large says what to do", async () => {
  const tasks = Object.fromEntries(
    Array.from({ length: 2001 }, (_, at) => [`t${at}`, at === 0 ? {} : { needs: ["t0"] }]),
  );
  const plan = planOf(tasks);
  await assert.rejects(graph(plan, "svg"), {
    name: "PipelineError",
    message:
      /It has 2001 tasks and 2000 needs: SVG is laid out for at most 2000 and 4000; use the format dot/,
  });
  const mermaid = await graph(plan, "mermaid");
  assert.match(mermaid, /\n%% 2000 edges, \d+ characters: Mermaid draws at most 500 and 50000 unless /);
  assert.equal((await graph(plan, "dot")).match(/->/g)?.length, 2000);
});

test("an unknown format is refused with the known ones", async () => {
  await assert.rejects(graph(small, "png" as GraphFormat), {
    name: "TypeError",
    message: `There is no format "png": use ${GRAPH_FORMATS.join(", ")}`,
  });
});
