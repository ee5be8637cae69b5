/**
 * What `npm start` runs: measures the machine it runs on, and says so in seven lines.
 *
 *   machine ── cpu ── steady ─┬─ memory ─┬─ network ── timers ── report
 *         │     └──(again)──┘ └─ disk ───┘                          │
 *         └──── clock ──────────────────────────────────────────────┘
 *
 *   disk, memory, network, timers or clock fails ── trouble ── report
 *
 * Side by side runs only what does not disturb the other: `clock` sleeps nearly all of its time, `disk` waits for the disk while
 * `memory` works. Whatever wants the whole machine runs without the rest.
 *
 * `--param fail=disk` shows a failure, `--param fail=disk --param failures=1` one that is overcome. `--param quick=true` takes
 * a second instead of four, for rougher figures.
 */
// Outside of this checkout: import { pipeline, type Pipeline } from "outrider";
import { type Pipeline, pipeline, type TaskContext } from "../../mod.ts";
import { measureClock, measureTimers } from "./clock.ts";
import { judge, measureCpu } from "./cpu.ts";
import { measureDisk } from "./disk.ts";
import { failIfAsked, failuresOf } from "./failure.ts";
import { describeMachine } from "./machine.ts";
import { measureMemory } from "./memory.ts";
import { measureNetwork } from "./network.ts";
import { reportOf, textOf } from "./report.ts";

/** How often a noisy measurement is repeated, at most. */
const AGAIN = 3;

const p: Pipeline<"stop"> = pipeline("device-check", {
  description: "Measures CPU, memory, disk, loopback and clock",
});

const machine = p.task("machine", describeMachine);

// A clock that is set while it is measured gives no figure: this attempt fails, the next may not.
const clock = p.task("clock", { machine }, (ctx) => {
  failIfAsked(ctx);
  return measureClock(ctx, quick(ctx) ? 300 : 2_500);
}, { retry: { attempts: 3, delay: "100ms" }, timeout: "10s" });

const cpu = p.task("cpu", { machine }, (ctx) => measureCpu(ctx, quick(ctx) ? 50 : 400));

// Fails while the figure is noisy, and so sends the loop round again; the last time it takes what there is.
const steady = p.task(
  "steady",
  { cpu },
  ({ inputs, iteration }) => judge(inputs.cpu, { last: iteration === AGAIN }),
);
p.loop({ from: steady, to: cpu, times: AGAIN, on: "failure" });

const memory = p.task("memory", { steady }, (ctx) => {
  failIfAsked(ctx);
  return measureMemory(ctx, quick(ctx) ? 8 : 32);
}, { timeout: "10s" });

const disk = p.task("disk", { steady }, (ctx) => {
  failIfAsked(ctx);
  return measureDisk(ctx);
}, { retry: { attempts: 2, delay: "200ms" }, timeout: "10s" });

const network = p.task("network", { memory: memory.on("any"), disk: disk.on("any") }, (ctx) => {
  failIfAsked(ctx);
  return measureNetwork(ctx);
}, { retry: { attempts: 3, delay: "200ms" }, timeout: "5s" });

const timers = p.task("timers", { network: network.on("any") }, (ctx) => {
  failIfAsked(ctx);
  return measureTimers(ctx, quick(ctx) ? 10 : 80);
}, { timeout: "10s" });

// Runs only if something has failed for good: one need that is satisfied is enough.
const trouble = p.task(
  "trouble",
  [memory, disk, network, timers, clock].map((task) => task.on("failure")),
  async (ctx) => {
    const failed = failuresOf(await ctx.previous());
    for (const line of failed) ctx.log.warn(line);
    return failed;
  },
  { join: "any" },
);

p.task("report", {
  machine,
  cpu,
  steady,
  memory: memory.on("any"),
  disk: disk.on("any"),
  network: network.on("any"),
  timers: timers.on("any"),
  clock: clock.on("any"),
  trouble: trouble.on("any"),
}, (ctx) => {
  const report = reportOf(ctx.inputs);
  for (const line of textOf(report)) ctx.log.info(line);
  return report;
});

export default p;

function quick({ params }: Pick<TaskContext, "params">): boolean {
  return params.quick === true;
}
