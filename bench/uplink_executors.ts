/**
 * Owns how soon a gateway answers heartbeats of 1,000 executors, which another process pretends to be.
 * Run alone: `node bench/uplink_executors.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Figure, figure, print, quantile, quick } from "./figure.ts";
import type { Beating } from "./uplink_load.ts";
import { TOKEN, withGateway } from "./uplink_place.ts";

const EXECUTORS = 1_000;
const MS = quick ? 1_000 : 3_000;
const NODE = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
const LOAD = fileURLToPath(new URL("./uplink_load.ts", import.meta.url));

/** How long each heartbeat took, milliseconds. The load is Node's, whatever the gateway runs on. */
function load(beating: Beating): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(NODE, [LOAD, JSON.stringify(beating)], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => text += piece);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(text) as number[]);
      else reject(new Error(`The load ended with ${code}`));
    });
  });
}

const figures: Figure[] = [];
await withGateway(async (url) => {
  for (const intervalMs of [10_000, 1_000]) {
    const rate = EXECUTORS * 1_000 / intervalMs;
    const times = await load({ url, token: TOKEN, executors: EXECUTORS, intervalMs, ms: MS });
    if (times.length < rate * MS / 1_000 / 2) {
      throw new Error(`Only ${times.length} heartbeats were answered`);
    }
    const how = `${times.length} heartbeats of ${EXECUTORS} executors with a connection each, every ${
      intervalMs / 1_000
    } s ± 20 %, from another process; first byte sent to last byte of the answer`;
    for (const [name, share] of [["median", 0.5], ["p99", 0.99]] as const) {
      const what = `uplink: heartbeat, ${EXECUTORS} executors, ${rate} a second, ${name}`;
      figures.push(figure(what, [quantile(times, share)], { unit: "ms", how }));
    }
  }
});
print("uplink executors", figures);
