import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import type { ThreadProgram } from "../../src/runtime/port.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";

/** What a thread tells first. */
async function told(program: ThreadProgram): Promise<unknown> {
  const thread = runtime.startThread({ ...program, data: {} });
  try {
    return await new Promise((resolve, reject) => {
      thread.onMessage(resolve);
      thread.onEnd((end) => reject(new Error(`It ended without a word: ${JSON.stringify(end)}`)));
    });
  } finally {
    await thread.terminate();
  }
}

function saying(text: string): string {
  return `import { workerData } from "node:worker_threads";
workerData.port.postMessage(${JSON.stringify(text)});
// What a thread has told that ends at once may go with it.
setInterval(() => {}, 1000);
`;
}

test("a thread starts from the file with its program, or from its text", async () => {
  await withFiles({ "program.mjs": saying("the file") }, async (folder) => {
    const file = pathToFileURL(join(folder, "program.mjs")).href;
    assert.equal(runtime.startsFrom(file), true);
    assert.equal(await told({ file }), "the file");
    assert.equal(await told({ code: saying("ünï ✓ .text") }), "ünï ✓ .text");
  });
});

test("the text of a program becomes a file, made anew if that is taken away, and needs none where there can be none", async () => {
  const code = `import { workerData } from "node:worker_threads";
workerData.port.postMessage(import.meta.url);
setInterval(() => {}, 1000);
`;
  const file = String(await told({ code }));
  assert.match(file, /^file:.*\/outrider-\w+\/outrider-worker\.mjs$/);
  assert.equal(await told({ code }), file);
  rmSync(new URL(".", file), { recursive: true });
  const anew = String(await told({ code }));
  assert.match(anew, /outrider-worker\.mjs$/);
  assert.notEqual(anew, file);
  const { TMPDIR } = process.env;
  process.env["TMPDIR"] = "/dev/null/nowhere";
  try {
    assert.match(String(await told({ code: `${code}// Another.\n` })), /data:text\/javascript/);
  } finally {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  }
});

test("the first threads start without the outputs being opened, which takes as long as a thread on some runtimes", async () => {
  const opened: string[] = [];
  const outputs = ["stdout", "stderr"] as const;
  const before = outputs.map((name) => Object.getOwnPropertyDescriptor(process, name)!);
  for (const name of outputs) {
    const stream = process[name];
    const get = () => {
      // The runner of tests, and Node itself, open them too.
      if (/makeRoom/.test(new Error().stack!)) opened.push(name);
      return stream;
    };
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get });
  }
  try {
    const start = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, each) => told({ code: saying(`${each}`) })));
    assert.deepEqual(await start(3), ["0", "1", "2"]);
    assert.deepEqual(opened, []);
    // With more of them they are, by what is looked for here.
    await start(6);
    assert.deepEqual([...new Set(opened)], outputs);
  } finally {
    outputs.forEach((name, at) => Object.defineProperty(process, name, before[at]!));
  }
});

test("ids are UUIDs of chance alone, and no two are the same", () => {
  const ids = Array.from({ length: 100 }, () => runtime.newId());
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  assert.equal(new Set(ids.flatMap((id) => [id.slice(0, 8), id.slice(-12)])).size, 200);
});

test("with many threads, and whatever a runtime warns of, nothing of its own is printed", async () => {
  const warnings: string[] = [];
  const hear = ({ message }: Error) => void warnings.push(message);
  process.on("warning", hear);
  const threads = Array.from({ length: 12 }, () => runtime.startThread({ code: saying("x"), data: {} }));
  try {
    await Promise.all(threads.map((thread) => new Promise((resolve) => thread.onMessage(resolve))));
    // Warnings come in a turn of their own.
    await new Promise(setImmediate);
    assert.deepEqual(warnings, []);
  } finally {
    process.off("warning", hear);
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  const before = process.listeners("warning");
  runtime.ignoreWarnings();
  assert.deepEqual(process.listeners("warning"), []);
  for (const listener of before) process.on("warning", listener);
});
