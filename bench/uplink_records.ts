/**
 * Owns how fast a journal gets from an agent to a gateway: 20,000 state and 100,000 log records, over loopback.
 * Run alone: `node bench/uplink_records.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { systemClock } from "../src/base/clock.ts";
import { startReport } from "../src/uplink/report/report.ts";
import { figure, print, quick } from "./figure.ts";
import { executorAt, withGateway } from "./uplink_place.ts";
import { filledJournal } from "./uplink_matter.ts";

const SIZES = quick ? { states: 2_000, logs: 10_000 } : { states: 20_000, logs: 100_000 };
const ROUNDS = quick ? 1 : 2;

/** Reports a whole journal; resolves to the time until the gateway has acknowledged all of it, milliseconds. */
async function replicate(url: string, sizes: typeof SIZES): Promise<number> {
  const run = crypto.randomUUID();
  const source = filledJournal(run, sizes);
  const from = performance.now();
  const report = startReport({
    gateway: executorAt(url),
    clock: systemClock,
    random: Math.random,
    run,
    source,
    onError: (error) => {
      throw error;
    },
  });
  report.end({ state: "succeeded" });
  await report.drained;
  const ms = performance.now() - from;
  await report.stop();
  const { acknowledged } = report.status();
  if (acknowledged.state < sizes.states || acknowledged.log < sizes.logs) {
    throw new Error(`The gateway has only ${JSON.stringify(acknowledged)}`);
  }
  return ms;
}

const rates: number[] = [];
await withGateway(async (url) => {
  await replicate(url, { states: 1_000, logs: 4_000 });
  for (let round = 0; round < ROUNDS; round++) {
    rates.push((SIZES.states + SIZES.logs) / await replicate(url, SIZES) * 1_000);
  }
});
print("uplink records", [
  figure("uplink: records from an agent to a gateway", rates, {
    unit: "records/s",
    how:
      `${SIZES.states} state and ${SIZES.logs} log records that a journal in memory already holds, until a gateway process with its database on disk has acknowledged all; ${ROUNDS} rounds after a small one`,
  }),
]);
