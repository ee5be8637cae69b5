/**
 * Owns the environment that installs itself: one script of a shell for all targets, beside the programs that it installs.
 * Must not know what the script does with its parts, nor how a program is made.
 * Invariant: what the script installs has the hash that the script knows it by.
 */
import { toBase64 } from "../../base/base64.ts";
import { sha256 } from "../../base/bytes.ts";
import { pathIn, readBytes } from "../../runtime/disk.ts";
import { VERSION } from "../../version.ts";
import { EnvironmentError } from "../document/error.ts";
import { type InstallerFile, type InstallerTarget, installerText } from "../install/script.ts";
import type { Builder, BuildInput } from "./builder.ts";

/** Most bytes of all files for tasks: they travel in the script. */
const MAX_FILES_BYTES = 32 * 1024 ** 2;
/** Hexadecimal digits that name a version on a device. */
const ID_DIGITS = 16;

/** `NAME-install.sh`, and `outrider-TARGET` for each target. */
export const scriptBuilder: Builder = {
  kind: "script",
  async build(input, out) {
    const { environment, targets, progress } = input;
    const { name, version = VERSION, requires = {}, secrets = [], pipeline } = environment;
    const able = targets.filter((target) => !target.startsWith("windows-"));
    if (able.length === 0) {
      throw new EnvironmentError(
        name,
        `A script is run by a shell of Linux or macOS; the targets are ${
          targets.join(", ")
        }: make the kind executable for these`,
      );
    }
    const carried = await input.carried();
    const files = await filesFor(input);
    const inside = await sha256(JSON.stringify([carried, files]));
    const programs: InstallerTarget[] = [];
    for (const target of able) {
      progress(`script for ${target}`);
      const path = await input.executable(target);
      const made = await out.file(`outrider-${target}`, { path }, { target, mode: 0o755 });
      const id = (await sha256(`${made.sha256} ${inside}`)).slice(0, ID_DIGITS);
      programs.push({ target, id, sha256: made.sha256, bytes: made.bytes });
    }
    const text = installerText({
      name,
      version,
      targets: programs,
      carried,
      inside: pipeline?.from === "file",
      files,
      secrets,
      requires,
    });
    await out.file(`${name}-install.sh`, { text }, { mode: 0o755 });
  },
};

async function filesFor({ environment, folder }: BuildInput): Promise<InstallerFile[]> {
  const files: InstallerFile[] = [];
  let left = MAX_FILES_BYTES;
  for (const [path, { from, mode = "0644" }] of Object.entries(environment.files ?? {}).sort()) {
    const bytes = await readBytes(pathIn(folder, from), left);
    left -= bytes.length;
    files.push({ path, mode, base64: toBase64(bytes) });
  }
  return files;
}
