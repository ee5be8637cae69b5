/**
 * Owns what the machine says of itself where a run asks for it: capabilities, packages of Debian.
 * Must not know what is required.
 * Invariant: what can't be told is `undefined`, never a guess.
 */
import { CAPABILITIES, type Capability } from "../../model/capability.ts";
import type { Runtime } from "../../runtime/port.ts";

/** The part of the runtime that is asked. */
export type MachineRuntime = Pick<Runtime, "readText" | "list">;

/** Most of a file that is read, bytes: dpkg's status of a desktop has some 5 MB. */
const MAX_BYTES: number = 64 * 1024 ** 2;

/** The capabilities that this process has now; `undefined` where there are none, as on macOS and Windows. */
export async function capabilitiesOf(runtime: MachineRuntime): Promise<ReadonlySet<Capability> | undefined> {
  const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await textOf(runtime, "/proc/self/status")) ?? [];
  if (mask === undefined) return undefined;
  const bits = BigInt(`0x${mask}`);
  return new Set(CAPABILITIES.filter((_, bit) => bits >> BigInt(bit) & 1n));
}

/** Debian's packages that are installed, with what they provide; `undefined` where dpkg keeps no list. */
export async function debianPackagesOf(runtime: MachineRuntime): Promise<ReadonlySet<string> | undefined> {
  const folder = "/var/lib/dpkg";
  // Images without dpkg itself keep a file for each package.
  const single = await runtime.list(`${folder}/status.d`).catch(() => []);
  const files = [`${folder}/status`, ...single.map((name) => `${folder}/status.d/${name}`)];
  const texts = await Promise.all(files.map((file) => textOf(runtime, file)));
  if (texts.every((text) => text === "")) return undefined;
  return new Set(texts.flatMap((text) => text.split(/\n\s*\n/)).flatMap(namesIn));
}

function namesIn(paragraph: string): string[] {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(paragraph)?.[1]?.trim();
  const [name, status, provides = ""] = ["Package", "Status", "Provides"].map(field);
  if (name === undefined || (status !== undefined && !status.endsWith(" installed"))) return [];
  const others = provides.split(",").map((other) => other.trim().split(/[\s(:]/)[0]!);
  return [name, ...others.filter((other) => other !== "")];
}

async function textOf({ readText }: MachineRuntime, path: string): Promise<string> {
  try {
    return await readText(path, MAX_BYTES, "loose");
  } catch {
    return "";
  }
}
