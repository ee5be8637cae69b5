/**
 * Owns virtual machines: a seed that makes any stock image a device, a kernel with the root that it unpacks, and a disk for UEFI.
 * Must not know how volumes, archives and programs of UEFI are written.
 * Invariant: no secret is in it: whoever starts the machine says them in outrider.env, on a disk or in a folder that is shared.
 */
import { type Bytes, sha256 } from "../../base/bytes.ts";
import { readBytes } from "../../runtime/disk.ts";
import { VERSION } from "../../version.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import { settingsText } from "../settings.ts";
import { bootFiles } from "../vm/boot_files.ts";
import { fatVolume } from "../vm/fat.ts";
import { gptDisk, PARTITION_SECTOR } from "../vm/gpt.ts";
import { initramfs } from "../vm/initramfs.ts";
import { withSections } from "../vm/pe.ts";
import { metaData, networkConfig, SEED_LABEL, userData } from "../vm/seed.ts";
import type { Builder, BuildInput, BuildOutput } from "./builder.ts";
import { installerText } from "../install/script.ts";
import { installerFor } from "./script.ts";

/** What differs between processors: what the kernel is told, and what firmware looks for. */
const MACHINES: Partial<Readonly<Record<Target, { readonly kernel: string; readonly loader: string }>>> = {
  // A host with much to do is late with the ticks that the kernel tries its timer by, and it would give up.
  "linux-x64": { kernel: "console=ttyS0 no_timer_check", loader: "BOOTX64.EFI" },
  "linux-arm64": { kernel: "console=ttyAMA0", loader: "BOOTAA64.EFI" },
};

/** The name of the partition and of its volume. */
const LABEL = "OUTRIDER";
const MAX_PROGRAM_BYTES = 1024 ** 3;

/** `NAME-user-data`, and for each target a folder `NAME-TARGET.vm` with seed, kernel, root and disk. */
export const vmBuilder: Builder = {
  kind: "vm",
  async build(input, out) {
    const { environment, targets } = input;
    if (environment.base !== undefined) {
      throw new EnvironmentError("base", "A virtual machine stands on no base but our own: leave it out");
    }
    for (const target of targets) {
      if (MACHINES[target] !== undefined) continue;
      throw new EnvironmentError(
        "targets",
        `There are virtual machines for ${Object.keys(MACHINES).join(" and ")}, and not for ${target}`,
      );
    }
    const installer = await installerFor(input, targets);
    const { programs } = installer;
    const script = installerText(installer);
    const user = userData(script);
    await out.file(`${environment.name}-user-data`, { text: user });
    for (const { target, path } of programs) {
      await seed(input, target, { user, program: await readBytes(path, MAX_PROGRAM_BYTES), out });
      await machine(input, target, out);
    }
  },
};

/** A volume that stands beside a stock image's disk. */
async function seed(
  input: BuildInput,
  target: Target,
  { user, program, out }: { readonly user: string; readonly program: Bytes; readonly out: BuildOutput },
): Promise<void> {
  const { environment, epoch, progress } = input;
  progress(`Seed for ${target}`);
  const digest = await sha256(user);
  const files = [
    ...texts({
      "meta-data": metaData(environment.name, digest),
      "network-config": networkConfig(),
      "outrider.env": settingsText(environment),
      "user-data": user,
    }),
    { path: `outrider-${target}`, bytes: program },
  ];
  const bytes = fatVolume(files, { label: SEED_LABEL, serial: serialOf(digest), epoch });
  await out.file(`${folderFor(input, target)}/seed.img`, { bytes }, { target });
}

/** A kernel and the root that it unpacks, as they are and as a disk. */
async function machine(input: BuildInput, target: Target, out: BuildOutput): Promise<void> {
  const { kernel, stub, entries } = await bootFiles(input, target, out);
  const initrd = await initramfs(input, target, { boot: entries, out });
  const folder = folderFor(input, target);
  await out.file(`${folder}/vmlinuz`, { bytes: kernel }, { target });
  await out.file(`${folder}/initrd`, { bytes: initrd }, { target });
  input.progress(`Disk for ${target}`);
  const bytes = await disk(input, target, { kernel, stub, initrd });
  await out.file(`${folder}/disk.img`, { bytes }, { target });
}

async function disk(
  { environment, epoch }: BuildInput,
  target: Target,
  { kernel, stub, initrd }: { readonly kernel: Bytes; readonly stub: Bytes; readonly initrd: Bytes },
): Promise<Bytes> {
  const { kernel: told, loader } = MACHINES[target]!;
  const parts = {
    ".osrel": `ID=outrider\nNAME=Outrider\nVERSION_ID=${VERSION}\nPRETTY_NAME="Outrider ${VERSION}"\n`,
    ".cmdline": `console=tty0 ${told} quiet panic=10 OUTRIDER_CONFIGURATION=disk`,
    ".linux": kernel,
    ".initrd": initrd,
  };
  const sections = Object.entries(parts).map(([name, part]) => ({
    name,
    bytes: typeof part === "string" ? new TextEncoder().encode(part) : part,
  }));
  const program = withSections(stub, sections);
  const files = [
    { path: `EFI/BOOT/${loader}`, bytes: program },
    ...texts({ "outrider.env": settingsText(environment) }),
  ];
  const serial = serialOf(await sha256(program));
  return await gptDisk(fatVolume(files, { label: LABEL, serial, epoch, hidden: PARTITION_SECTOR }), LABEL);
}

function folderFor({ environment: { name } }: BuildInput, target: Target): string {
  return `${name}-${target}.vm`;
}

function texts(files: Readonly<Record<string, string>>): { path: string; bytes: Bytes }[] {
  return Object.entries(files).map(([path, text]) => ({ path, bytes: new TextEncoder().encode(text) }));
}

function serialOf(digest: string): number {
  return parseInt(digest.slice(0, 8), 16);
}
