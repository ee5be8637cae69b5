/**
 * Owns which modules of a kernel a virtual machine loads, and in which order.
 * Must not know how they are loaded.
 * Invariant: a module stands behind all that it depends on, and once; what is built into the kernel is no module.
 */
import type { Bytes } from "../../base/bytes.ts";
import { EnvironmentError } from "../document/error.ts";
import type { RootEntry } from "../root/entry.ts";
import { unpacked } from "../unpacked.ts";

/** A module. */
export interface KernelModule {
  readonly name: string;
  readonly bytes: Bytes;
}

/** Networks, disks and what is read from them, on KVM, Xen, Hyper-V, VMware and the large clouds. */
export const MODULES: readonly string[] = [
  ...["virtio_mmio", "virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng"],
  ...["e1000", "e1000e", "ena", "gve", "vmxnet3", "xen_netfront", "hv_netvsc"],
  ...["sd_mod", "sr_mod", "ahci", "ata_piix", "vmw_pvscsi", "xen_blkfront", "hv_storvsc"],
  ...["vfat", "isofs", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"],
];

const MAX_MODULE_BYTES = 64 * 1024 ** 2;

/** Those of a kernel's package that are wanted, in the order in which they are to be loaded. */
export async function modulesOf(
  entries: readonly RootEntry[],
  wanted: readonly string[] = MODULES,
): Promise<KernelModule[]> {
  const packed = new Map<string, Bytes>();
  for (const entry of entries) {
    const name = /\/([^/]+)\.ko(\.(xz|gz|zst))?$/.exec(entry.path)?.[1];
    if (name !== undefined && entry.type === "file") packed.set(plain(name), entry.bytes);
  }
  const ordered = new Map<string, KernelModule>();
  const take = async (name: string, by: readonly string[]): Promise<void> => {
    const bytes = packed.get(name);
    if (ordered.has(name)) return;
    if (bytes === undefined) {
      throw new EnvironmentError("vm", `The kernel has no module ${name}, which ${by.at(-1)} depends on`);
    }
    if (by.includes(name)) {
      throw new EnvironmentError(
        "vm",
        `Modules of the kernel depend on each other: ${[...by, name].join(", ")}`,
      );
    }
    const module = { name, bytes: await unpacked(bytes, MAX_MODULE_BYTES) };
    for (const needed of dependsOn(module)) await take(needed, [...by, name]);
    ordered.set(name, module);
  };
  for (const name of wanted) if (packed.has(name)) await take(name, []);
  return [...ordered.values()];
}

/** What a module says of itself: there is no `modules.dep` in a package. */
function dependsOn({ name, bytes }: KernelModule): string[] {
  const said = /(?:^|\0)depends=([^\0]*)\0/.exec(new TextDecoder("latin1").decode(bytes))?.[1];
  if (said === undefined) {
    throw new EnvironmentError("vm", `The module ${name} does not say what it depends on`);
  }
  return said.split(",").filter((each) => each !== "").map(plain);
}

/** Files have `-` where the kernel has `_`. */
function plain(name: string): string {
  return name.replaceAll("-", "_");
}
