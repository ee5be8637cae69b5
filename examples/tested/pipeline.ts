/**
 * A pipeline with tests beside it: pipeline_test.ts.
 */
// Outside of this checkout: import { pipeline, type Pipeline, type TaskContext } from "outrider";
import { type Pipeline, pipeline, type TaskContext } from "../../mod.ts";

/** Waits for the antenna to say that it is up, and counts what it hears in one window. */
export async function listen(
  { store, params, progress, log }: TaskContext<unknown, { readonly windows: number }>,
): Promise<{ readonly heard: number }> {
  const channel = await store.waitFor<number>("channel", (value) => value > 0, { timeout: "10s" });
  let heard = 0;
  for (let window = 1; window <= params.windows; window++) {
    heard += await store.get<number>(`window ${window}`) ?? 0;
    progress(window / params.windows);
  }
  log.info(`${heard} heard on channel ${channel}`);
  return { heard };
}

const p: Pipeline<"stop"> = pipeline("survey");

// On the device this talks to hardware, which no test has.
const antenna = p.command<{ readonly channel: number }>("antenna", ["/opt/antenna/up", "--auto"], {
  requires: { commands: ["/opt/antenna/up"] },
  timeout: "1m",
});
const tuned = p.task("tune", { antenna }, async ({ inputs, store }) => {
  await store.set("channel", inputs.antenna.channel);
  await store.set("window 2", 3);
});
const heard = p.task("listen", [tuned], listen, { params: { windows: 4 } });
p.task("report", { heard }, ({ inputs }) => `${inputs.heard.heard} stations`);
p.task("alarm", [antenna.on("failure")], ({ log }) => log.error("The antenna is down"));

export default p;
