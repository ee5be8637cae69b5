/** A pipeline that is tested, in a module of its own as its documentation asks for. */
import { pipeline } from "../../mod.ts";
import type { TaskContext } from "../../mod.ts";

export async function measure(
  { params, progress, store, log, events }: TaskContext<unknown, { readonly samples: number }>,
): Promise<number[]> {
  const found: number[] = [];
  for (let at = 1; at <= params.samples; at++) {
    found.push(await store.increment("reading", at));
    progress(at / params.samples, `sample ${at}`);
  }
  log.info("measured", found.length);
  await events.emit("measured", { samples: found.length });
  return found;
}

const p = pipeline("tested", { onFailure: "continue" });
const samples = p.task("measure", measure, { params: { samples: 3 } });
const disk = p.task("disk", (): number => {
  throw new Error("There is no disk here");
}, { requires: { commands: ["no-such-program-of-outrider"] } });
p.task("report", { samples, disk }, ({ inputs, log }) => {
  log.warn("writing");
  return `${inputs.samples?.join()} and ${inputs.disk ?? "no disk"}`;
});
const shape = p.task("shape", (): { readonly bytes: Uint8Array; readonly names: readonly string[] } => {
  throw new Error("Not here");
});
p.task("look", { shape }, ({ inputs }) => `${inputs.shape?.bytes.length} ${inputs.shape?.names.join()}`);

export default p;
