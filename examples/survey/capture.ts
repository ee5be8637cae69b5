/**
 * Owns the record of hosts that lose too much: each question with its answer, in a file that is kept.
 * Must not know when that is too much.
 */
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileReference, TaskContext } from "../../mod.ts";
import { ask, type Asking, type Probed } from "./probe.ts";

export async function capture(
  { inputs, params, signal, files }: TaskContext<
    { readonly judged: { readonly hosts: readonly Probed[]; readonly loss: number } },
    Asking
  >,
): Promise<FileReference> {
  const { hosts, loss } = inputs.judged;
  const folder = await mkdtemp(join(tmpdir(), "survey-"));
  const path = join(folder, "capture.csv");
  try {
    await appendFile(path, "at,name,address,ms\n");
    for (const { name, address } of hosts.filter((host) => host.loss === loss)) {
      for (let asked = 0; asked < params.count; asked++) {
        signal.throwIfAborted();
        const at = new Date().toISOString();
        const rtt = await ask(address, params);
        await appendFile(path, `${at},${name},${address},${rtt?.toFixed(3) ?? ""}\n`);
        await new Promise((next) => setTimeout(next, params.everyMs));
      }
    }
    return await files.keep(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
