/**
 * Owns the bytes on the wire: of one heartbeat, and of 1 MB of log; counted between the agent and the gateway.
 * Run alone: `node bench/uplink_bytes.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { systemClock } from "../src/base/clock.ts";
import { memoryJournal } from "../src/journal/memory/memory.ts";
import { startReport } from "../src/uplink/report/report.ts";
import { type Figure, figure, print } from "./figure.ts";
import { entry, heartbeat, logLines } from "./uplink_matter.ts";
import { type Counted, executorAt, withCounter, withGateway } from "./uplink_place.ts";

const BEATS = 20;
const LOG_BYTES = 1_000_000;

async function beats(url: string, counted: () => Counted): Promise<Figure[]> {
  const gateway = executorAt(url);
  const whole: number[] = [];
  const bodies: number[] = [];
  for (let version = 1; version <= BEATS; version++) {
    const before = counted();
    await gateway.beat(heartbeat("6f1d4e0a-0000-4c55-9f0e-5a2d8c1b7e42", version), { timeoutMs: 10_000 });
    whole.push(counted().sent - before.sent);
    bodies.push(counted().bodies - before.bodies);
  }
  const plain = JSON.stringify(heartbeat("6f1d4e0a-0000-4c55-9f0e-5a2d8c1b7e42", 1)).length;
  const how = `${BEATS} heartbeats in the midst of a run with 4 running tasks, ${plain} bytes as JSON`;
  return [
    figure("uplink: one heartbeat, whole request", whole, {
      unit: "bytes",
      how: `request line, all headers and body, before TCP and TLS; ${how}`,
    }),
    figure("uplink: one heartbeat, body", bodies, { unit: "bytes", how: `compressed; ${how}` }),
  ];
}

async function log(url: string, counted: () => Counted): Promise<Figure[]> {
  const source = memoryJournal();
  const lines = logLines(11);
  let bytes = 0;
  let count = 0;
  for (; bytes < LOG_BYTES; count++) {
    const text = lines.next().value as string;
    source.log(entry(text, count));
    bytes += text.length + 1;
  }
  const before = counted().sent;
  const random = Math.random;
  const report = startReport({ gateway: executorAt(url), clock: systemClock, random, run: "log", source });
  report.end({ state: "succeeded" });
  await report.drained;
  const sent = counted().sent - before;
  await report.stop();
  const how =
    `${count} lines of a program's output, times, levels, words, numbers and addresses drawn at random from a seed; all requests of the report, heads included`;
  return [
    figure("uplink: 1 MB of log, sent", [sent * 1_000_000 / bytes], { unit: "bytes", how }),
    figure("uplink: 1 MB of log, sent over raw", [sent / bytes], { unit: "×", how }),
  ];
}

print(
  "uplink bytes",
  await withGateway((url) =>
    withCounter(
      url,
      async (counter, counted) => [...await beats(counter, counted), ...await log(counter, counted)],
    )
  ),
);
