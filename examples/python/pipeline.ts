/**
 * A Python program beside a worker task, with nothing but Python's standard library: it samples something, the worker
 * watches, and says when it is enough.
 *
 *   probe.py   counts and publishes samples ── store: enough? ──────────── value: all samples
 *   watch      listens to samples ── mean is steady ── store: enough
 */
// Outside of this checkout: import { pipeline, type Pipeline } from "outrider";
import { type Pipeline, pipeline } from "../../mod.ts";

const p: Pipeline<"stop"> = pipeline("python");

/** What probe.py writes to the file that OUTRIDER_OUTPUT names. */
type Samples = { readonly samples: readonly number[]; readonly python: string };

const probe = p.command<Samples>("probe", ["python3", "probe.py"], {
  params: { every: 0.01 },
  timeout: "30s",
});

const watch = p.task("watch", async ({ store, events, log }) => {
  let count = 0;
  for await (const { detail } of events.on<number>("sample", { since: 0 })) {
    log.info(`sample ${++count}: ${detail}`);
    if (count === 5) break;
  }
  await store.set("enough", true);
  return count;
}, { timeout: "30s" });

p.task("report", { probe, watch }, ({ inputs }) => {
  const { samples } = inputs.probe;
  return { seen: inputs.watch, mean: samples.reduce((sum, each) => sum + each, 0) / samples.length };
});

export default p;
