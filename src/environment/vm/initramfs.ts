/**
 * Owns the root that a virtual machine unpacks into its memory: the parts of every root, what starts it, and the first process.
 * Must not know how it is started.
 * Invariant: each part is packed by itself, so that only the last one is packed anew where only the environment changes.
 */
import { type Bytes, joined, sha256 } from "../../base/bytes.ts";
import type { BuildInput, BuildOutput } from "../builders/builder.ts";
import type { EnvironmentDocument, Target } from "../document/schema.ts";
import { gzipped } from "../packed.ts";
import { fileEntry, type RootEntry } from "../root/entry.ts";
import { PROGRAM, PROGRAM_ENV, rootParts, SYSTEM_ENV } from "../root/parts.ts";
import { STATE_FOLDER, USER_ID } from "../root/system.ts";
import { cpioArchive } from "./cpio.ts";
import { INIT_SCRIPT, LEASE_SCRIPT } from "./init_text.ts";

/** The root for a target. @param boot What of the machine's own goes into it. */
export async function initramfs(
  input: BuildInput,
  target: Target,
  { boot, out }: { readonly boot: readonly RootEntry[]; readonly out: BuildOutput },
): Promise<Bytes> {
  const first = { about: "boot", entries: boot };
  const last = { about: "start", entries: firstProcess(input.environment) };
  const parts = [first, ...await rootParts(input, target, { out }), last];
  const packed: Uint8Array[] = [];
  for (const [at, { about, entries }] of parts.entries()) {
    input.progress(`Virtual machine for ${target}: ${about}`, at, parts.length);
    const archive = cpioArchive(entries, input.epoch);
    const part = await gzipped(archive, await sha256(archive), input.cache);
    // The next one begins where the kernel looks for it: at four bytes.
    packed.push(part, new Uint8Array(-part.length & 3));
  }
  return joined(packed, packed.reduce((sum, { length }) => sum + length, 0));
}

/** The programs that run before ours. */
export function firstProcess({ pipeline, requires = {} }: EnvironmentDocument): RootEntry[] {
  const texts: Readonly<Record<string, string>> = {
    PROGRAM,
    // What travels inside is run once, and its end is the machine's; a device of a gateway asks for the next pipeline.
    ARGUMENTS: pipeline?.from === "file" ? "agent" : "agent --follow",
    FOLDER: STATE_FOLDER,
    USER: String(USER_ID),
    VARIABLES: [...SYSTEM_ENV, ...PROGRAM_ENV].join(" "),
    CAPABILITIES: (requires.capabilities ?? []).map((each) => `,+${each.toLowerCase()}`).join(""),
    DEVICES: (requires.devices ?? []).map((each) => `'${each.replaceAll("'", "'\\''")}'`).join(" "),
  };
  const init = INIT_SCRIPT.replace(/@([A-Z]+)@/g, (whole, key: string) => texts[key] ?? whole);
  return [fileEntry("init", init, 0o755), fileEntry("usr/lib/outrider/lease", LEASE_SCRIPT, 0o755)];
}
