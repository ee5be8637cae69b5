/** A file of 2 GiB: kept, sent to a gateway over HTTP and fetched again, with no more memory than for one of 8 MiB, about. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../../src/gateway/sqlite.ts";
import { memoryJournal } from "../../../src/journal/memory/memory.ts";
import { RunFiles } from "../../../src/run/files/run_files.ts";
import { runtime } from "../../../src/runtime/runtime.ts";
import { outriderGateway } from "../../../src/uplink/dialects/outrider.ts";
import { startReport } from "../../../src/uplink/report/report.ts";
import { userGateway } from "../../../src/uplink/user.ts";

const MIB = 1024 ** 2;
/** What both ends together may need more than for a small file. */
const MOST_MIB = 128;

/** The most memory that this process has had, MiB. */
const mostMiB = () => process.resourceUsage().maxRSS / 1024;

test("a file of 2 GiB is kept, sent and fetched with no more than 128 MiB of memory beside a small one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-large-"));
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({
    store,
    clock: systemClock,
    files: { files: runtime, folder: `${folder}/gateway` },
  });
  const served = await runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
  const line = {
    url: served.url,
    fetch: (url: string, init: RequestInit) => fetch(url, init),
    clock: systemClock,
  };
  const user = userGateway({ ...line, random: Math.random });
  try {
    const send = async (run: string, size: number) => {
      const journal = memoryJournal();
      journal.append({ type: "run.started", run, pipeline: "p", runtime: "test 1", plan: "h" }, 1);
      const options = { folder: () => Promise.resolve(`${folder}/${run}`) };
      const files = new RunFiles({ runtime, clock: systemClock, journal, options });
      const path = `${folder}/made`;
      writeFileSync(path, "not all is nought");
      truncateSync(path, size);
      const { sha256 } = await files.keep({ task: "t", iteration: 0, attempt: 1 }, { path, moved: true });
      const report = startReport({
        gateway: outriderGateway({ ...line, executor: "e" }),
        ...{ clock: systemClock, random: Math.random, run, source: journal },
        files: { open: async (digest) => await runtime.openFile(await files.stored(digest), "read") },
      });
      report.end({ state: "succeeded" });
      assert.equal(await report.drained, true);
      await report.stop();
      const digest = createHash("sha256");
      let bytes = 0;
      for await (const piece of user.file(run, { sha256, at: 0 })) {
        digest.update(piece);
        bytes += piece.length;
      }
      assert.deepEqual([bytes, digest.digest("hex")], [size, sha256]);
    };
    await send("small", 8 * MIB);
    const before = mostMiB();
    await send("large", 2048 * MIB);
    const more = mostMiB() - before;
    assert.ok(more < MOST_MIB, `${Math.round(more)} MiB more than for a file of 8 MiB`);
  } finally {
    await served.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
