/** The worker's side: says that it listens, waits until the script is done, and reads what it has left in the store. */
// Outside of this checkout: import type { TaskContext } from "outrider";
import type { TaskContext } from "../../mod.ts";

/** Percent in use by mount point. */
export async function watch({ store, events, log }: TaskContext): Promise<Record<string, number>> {
  await store.set("listening", true);
  const { detail } = await events.once<number>("disks", { since: 0, timeout: "25s" });
  log.info(`The script has told of ${detail} file systems`);
  const found: Record<string, number> = {};
  for (const key of await store.keys("disk/")) {
    found[key.slice("disk".length)] = (await store.get<number>(key))!;
  }
  return found;
}
