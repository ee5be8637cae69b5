import assert from "node:assert/strict";
import process from "node:process";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";

/** What a thread tells first. */
async function told(options: { readonly code: string; readonly file?: string }): Promise<unknown> {
  const thread = runtime.startThread({ ...options, data: {} });
  try {
    return await new Promise((resolve) => thread.onMessage(resolve));
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

test("a thread starts from the file with its program where there is one, and from its text otherwise", async () => {
  await withFiles({ "program.mjs": saying("the file") }, async (folder) => {
    const file = pathToFileURL(join(folder, "program.mjs")).href;
    assert.equal(await told({ code: saying("ünï ✓ .text"), file }), "the file");
    assert.equal(await told({ code: saying("ünï ✓ .text") }), "ünï ✓ .text");
  });
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
