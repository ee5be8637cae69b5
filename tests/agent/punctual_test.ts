/**
 * Holds that heartbeats stay on time whatever else goes on: all workers compute, 10 MB of log come each second, and an
 * upload of records hangs. The agent is a process; the gateway's app is served by this one.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import type { Heartbeat } from "../../src/protocol/messages.ts";
import { ROOT, withFiles } from "../rig.ts";

const WORKERS = 2;
const RUN_MS = 12_000;
const INTERVAL_MS = 2_000;
const LINE = 100;

/** Computes without a pause, and prints 5 MB a second meanwhile. */
const TASKS = `
export const noise = ({ params, task }) => {
  const began = performance.now();
  const line = (task + " 2026-11-21T16:00:00.000Z packet 1514 bytes ").padEnd(${
  LINE - 1
}, "0123456789abcdef");
  let lines = 0, sum = 0;
  for (let passed = 0; passed < params.ms; passed = performance.now() - began) {
    for (; lines < passed * ${5_000_000 / LINE / 1000}; lines++) console.log(line);
    for (let at = 0; at < 100_000; at++) sum = (sum * 31 + at) | 0;
  }
  return lines;
};
`;

const PIPELINE = {
  outrider: 1,
  name: "noise",
  tasks: Object.fromEntries(Array.from({ length: WORKERS }, (_, at) => [
    `noise${at}`,
    { run: { module: "./noise.mjs", export: "noise" }, params: { ms: RUN_MS } },
  ])),
};

/** A heartbeat with the time at which it came, milliseconds on a clock that does not jump. */
interface Beat {
  readonly at: number;
  readonly told: Heartbeat;
}

test("a heartbeat comes in time while all workers compute, 10 MB of log come a second, and an upload hangs", () =>
  withFiles({ "noise.mjs": TASKS, "noise.json": PIPELINE }, async (cwd) => {
    const store = sqliteGatewayStore(":memory:");
    const app = gatewayApp({ store, clock: systemClock });
    const beats: Beat[] = [];
    const over = Promise.withResolvers<void>();
    let uploads = 0;
    let hanging = 0;
    const served = await runtime.serve({
      port: 0,
      fetch: async (request) => {
        if (request.url.endsWith("/records")) {
          // For the first half of the run records are taken, then nothing of them is answered any more.
          const running = beats.findIndex(({ told }) => told.run !== undefined);
          const hangs = running >= 0 && performance.now() - beats[running]!.at > RUN_MS / 2;
          if (hangs) {
            hanging++;
            return await new Promise<Response>(() => {});
          }
          uploads++;
          return await app.fetch(request);
        }
        const at = performance.now();
        const response = await app.fetch(request);
        const told = store.executor("pi")?.heartbeat;
        if (request.url.endsWith("/heartbeat") && told !== undefined) {
          beats.push({ at, told });
          if (beats.some((beat) => beat.told.run !== undefined) && told.run === undefined) over.resolve();
        }
        return response;
      },
    });
    const before = runtime.name === "deno" ? ["run", "-A", "--no-check"] : [];
    const agent = spawn(process.execPath, [...before, join(ROOT, "src/cli/main.ts"), "agent"], {
      cwd,
      env: {
        ...process.env,
        OUTRIDER_GATEWAY: served.url,
        OUTRIDER_EXECUTOR_ID: "pi",
        OUTRIDER_PIPELINE: "noise.json",
        OUTRIDER_STATE_DIR: "state",
        OUTRIDER_HEARTBEAT: `${INTERVAL_MS}ms`,
        OUTRIDER_WORKERS: `${WORKERS}`,
      },
      stdio: "ignore",
    });
    const ended = new Promise<void>((resolve, reject) => {
      agent.on("error", reject);
      agent.on("close", () => resolve());
    });
    try {
      const early = ended.then(() => Promise.reject(new Error("The agent ended by itself")));
      await Promise.race([over.promise, early]);
    } finally {
      agent.kill("SIGKILL");
      await ended;
      await served.close();
      store.close();
    }
    const during = beats.filter(({ told }) => told.run !== undefined);
    const half = during.findIndex(({ at }) => at - during[0]!.at > RUN_MS / 2);
    const lines = Math.max(...during.map(({ told }) => told.spool.log));
    assert.ok(uploads > 0 && hanging > 0, `${uploads} uploads, ${hanging} that hang`);
    // A quarter of what was meant is still a flood.
    assert.ok(lines * LINE > 10_000_000 * RUN_MS / 1000 / 4, `${lines} lines were waiting`);
    // Of those that are due a third is enough, on a machine that has other things to do as well.
    const times = during.map(({ at }) => Math.round(at - during[0]!.at));
    assert.ok(during.length > RUN_MS / (3 * INTERVAL_MS), `Heartbeats came at ${times.join(", ")} ms`);
    assert.ok(half > 0 && half < during.length - 1, `None after the upload hung: ${times.join(", ")} ms`);
  }));
