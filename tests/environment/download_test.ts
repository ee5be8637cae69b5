/** Files from servers that cut, lie and send others: nothing but what was asked for is given back or kept. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fetchBytes, fetchKnown } from "../../src/environment/download.ts";
import { sha256Of } from "./debian_rig.ts";

const CONTENTS = new Uint8Array(50_000).map((_, at) => at % 251);
const SHA256 = sha256Of(CONTENTS);

interface Rig {
  readonly url: string;
  readonly folder: string;
  /** How often it was asked. */
  asked(): number;
}

async function withServer(answer: RequestListener, fn: (rig: Rig) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-download-"));
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
    await fn({ url, folder, asked: () => asked });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

function known({ url, folder }: Rig): Promise<Uint8Array> {
  return fetchKnown({ url, bytes: CONTENTS.length, sha256: SHA256 }, folder);
}

test("a file is fetched once, and one that was damaged where it is kept is fetched anew", async () => {
  await withServer((_, response) => response.end(CONTENTS), async (rig) => {
    assert.deepEqual(await known(rig), CONTENTS);
    assert.deepEqual(await known(rig), CONTENTS);
    assert.equal(rig.asked(), 1);
    assert.deepEqual(readdirSync(rig.folder), [SHA256]);
    writeFileSync(join(rig.folder, SHA256), CONTENTS.map((byte, at) => at === 7 ? byte ^ 1 : byte));
    assert.deepEqual(await known(rig), CONTENTS);
    assert.equal(rig.asked(), 2);
  });
});

test("what has another digest or size is refused, and not kept", async () => {
  const wrong = [CONTENTS.map((byte) => byte ^ 1), CONTENTS.subarray(1), new Uint8Array()];
  for (const contents of wrong) {
    await withServer((_, response) => response.end(contents), async (rig) => {
      await assert.rejects(known(rig), /is not what was promised: it has \d+ bytes with the digest sha256:/);
      assert.deepEqual(readdirSync(rig.folder), []);
    });
  }
});

test("no more is taken than the file has, whatever the server says and sends", async () => {
  await withServer((_, response) => {
    const more = () => void (response.writable && response.write(CONTENTS, () => setImmediate(more)));
    more();
  }, async (rig) => {
    await assert.rejects(known(rig), /It has more than 50000 bytes/);
    assert.equal(rig.asked(), 1);
  });
});

test("a connection that is cut is begun anew, three times at most", async () => {
  let cuts = 0;
  await withServer((_, response) => {
    if (cuts++ === 2) return void response.end(CONTENTS);
    response.writeHead(200, { "content-length": String(CONTENTS.length) });
    response.write(CONTENTS.subarray(0, 9_000), () => response.destroy());
  }, async (rig) => {
    assert.deepEqual(await known(rig), CONTENTS);
    assert.equal(rig.asked(), 3);
    rmSync(join(rig.folder, SHA256));
    cuts = -10;
    await assert.rejects(known(rig), /can't be fetched/);
    assert.equal(rig.asked(), 6);
    assert.deepEqual(readdirSync(rig.folder), []);
  });
});

test("what a server refuses is not asked for again, and is told by its number", async () => {
  await withServer((_, response) => response.writeHead(404).end("not here"), async (rig) => {
    await assert.rejects(fetchBytes(rig.url, 10), {
      status: 404,
      message: `${rig.url} can't be fetched: It answered 404`,
    });
    assert.equal(rig.asked(), 1);
  });
});
