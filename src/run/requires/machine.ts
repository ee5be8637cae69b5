/**
 * Owns what the machine says of itself where a run asks for it: capabilities, memory, packages of Debian.
 * Must not know what is required.
 * Invariant: what can't be told is `undefined`, never a guess.
 */
import { CAPABILITIES, type Capability } from "../../model/capability.ts";
import type { Runtime } from "../../runtime/port.ts";

/** The part of the runtime that is asked. */
export type MachineRuntime = Pick<Runtime, "readText" | "list" | "totalMemoryBytes">;

/** Most of a file that is read, bytes: dpkg's status of a desktop has some 5 MB. */
const MAX_BYTES: number = 64 * 1024 ** 2;

/** The capabilities that this process has now; `undefined` where there are none, as on macOS and Windows. */
export async function capabilitiesOf(runtime: MachineRuntime): Promise<ReadonlySet<Capability> | undefined> {
  const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await textOf(runtime, "/proc/self/status")) ?? [];
  if (mask === undefined) return undefined;
  const bits = BigInt(`0x${mask}`);
  return new Set(CAPABILITIES.filter((_, bit) => bits >> BigInt(bit) & 1n));
}

/** The memory that this process may have with all others of its container, or of the machine. */
export async function allowedMemory(runtime: MachineRuntime): Promise<number> {
  const groups = await textOf(runtime, "/proc/self/cgroup");
  const files = groups.split("\n").flatMap((line) => {
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === "") return above(group!).map((folder) => `/sys/fs/cgroup${folder}/memory.max`);
    return controllers?.split(",").includes("memory")
      ? above(group!).map((folder) => `/sys/fs/cgroup/memory${folder}/memory.limit_in_bytes`)
      : [];
  });
  const limits = await Promise.all(files.map((file) => textOf(runtime, file)));
  // "max" is no limit; so is the number of the older kind, which is more than any machine has.
  const numbers = limits.map((text) => text.trim()).filter((text) => /^\d+$/.test(text)).map(Number);
  return Math.min(runtime.totalMemoryBytes(), ...numbers);
}

/** A group's folder and those around it; a container may see only the outermost. */
function above(group: string): string[] {
  const parts = group.split("/").filter((part) => part !== "");
  return [...parts.map((_, at) => `/${parts.slice(0, at + 1).join("/")}`), ""];
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
    return await readText(path, MAX_BYTES);
  } catch {
    return "";
  }
}
