/**
 * A measurement in Python with numpy, beside a task of JavaScript that makes the load for it: they run at the same time and
 * agree by the store.
 *
 *   outrider run examples/bandwidth/pipeline.ts --param seconds=0.2
 */
// Outside of this checkout: import { pipeline, type TaskContext } from "outrider";
import { type Pipeline, pipeline, type TaskContext } from "../../mod.ts";

/** What `measure` gives, GiB a second. */
interface Bandwidth {
  readonly idle: Rates;
  readonly loaded: Rates;
  /** Loaded over idle. */
  readonly share: number;
}

interface Rates {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly copies: number;
}

const p: Pipeline<"stop"> = pipeline("bandwidth", { description: "Memory bandwidth, idle and under load" });

const measure = p.python<Bandwidth>("measure", "bandwidth.py", {
  function: "measure",
  requirements: "requirements.txt",
  params: { mib: 64, seconds: 1 },
  timeout: "10m",
});

const load = p.task("load", keepBusy, { timeout: "10m" });

p.task("report", { measure, load }, ({ inputs }) => {
  const { idle, loaded, share } = inputs.measure;
  const rounds = `${inputs.load} rounds of load`;
  return `${idle.median.toFixed(1)} GiB/s, ${loaded.median.toFixed(1)} with ${rounds}: ${
    Math.round(share * 100)
  } %`;
});

/** Computes while the phase is `loaded`, and ends when it is `done`; how often it did. */
async function keepBusy({ store }: TaskContext): Promise<number> {
  let rounds = 0;
  for (let phase = ""; phase !== "done";) {
    phase = phase === "loaded"
      ? await store.get<string>("phase") ?? ""
      : await store.waitFor<string>("phase", (next) => next !== phase, { timeout: "10m" });
    if (await store.get("seen") !== phase) await store.set("seen", phase);
    if (phase === "loaded") {
      compute();
      rounds++;
    }
  }
  return rounds;
}

/** Some milliseconds of work. */
function compute(): number {
  let sum = 0;
  for (let at = 0; at < 5_000_000; at++) sum += Math.sqrt(at);
  return sum;
}

export default p;
