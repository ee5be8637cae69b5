/**
 * Owns what of Debian's packages starts a virtual machine: the kernel, its modules, a shell, and what starts a kernel from UEFI.
 * Must not know what the machine is for.
 * Invariant: the packages are pinned and signed like all others.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { BuildInput, BuildOutput } from "../builders/builder.ts";
import { debianArchitecture, debianPackages } from "../debian/packages.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import { fileEntry, type RootEntry } from "../root/entry.ts";
import { modulesOf } from "./modules.ts";

/** Where what the first process needs lies. */
const FOLDER = "usr/lib/outrider";

/** What starts a machine. */
export interface BootFiles {
  readonly kernel: Bytes;
  /** Starts a kernel that is put into it, on a machine with UEFI. */
  readonly stub: Bytes;
  /** Of the root: modules, the shell, and what drops rights. */
  readonly entries: readonly RootEntry[];
}

/** Those for a target. @throws {Error} With a `code`, in words. */
export async function bootFiles(input: BuildInput, target: Target, out: BuildOutput): Promise<BootFiles> {
  const kernelPackage = `linux-image-cloud-${debianArchitecture(target)}`;
  const packages = await debianPackages({
    purpose: "boot",
    target,
    wanted: [],
    bare: ["busybox-static", "libcap-ng0", "systemd-boot-efi", "util-linux"],
    standing: [kernelPackage],
  }, input);
  for (const { name, version, sha256 } of packages) {
    out.used({ name: `deb:${name}`, version, target, digest: `sha256:${sha256}` });
  }
  const files = packages.flatMap(({ entries }) => entries);
  const modules = await modulesOf(files);
  const copyrights = files.filter(({ path }) => /^usr\/share\/doc\/[^/]+\/copyright$/.test(path));
  return {
    kernel: one(files, /^boot\/vmlinuz-/).bytes,
    stub: one(files, /^usr\/lib\/systemd\/boot\/efi\/linux(x64|aa64)\.efi\.stub$/).bytes,
    entries: [
      fileEntry(`${FOLDER}/busybox`, one(files, /^usr\/bin\/busybox$/).bytes, 0o755),
      one(files, /^usr\/bin\/setpriv$/),
      ...files.filter(({ path }) => /^usr\/lib\/[^/]+\/libcap-ng\.so\.[\d.]+$/.test(path)),
      ...modules.map(({ name, bytes }, at) =>
        fileEntry(`${FOLDER}/modules/${String(at).padStart(2, "0")}-${name}.ko`, bytes)
      ),
      ...copyrights,
    ],
  };
}

function one(entries: readonly RootEntry[], path: RegExp): RootEntry & { readonly type: "file" } {
  const found = entries.find((entry) => path.test(entry.path));
  if (found?.type === "file") return found;
  throw new EnvironmentError("vm", `Debian's packages have no ${path.source.replaceAll("\\", "")}`);
}
