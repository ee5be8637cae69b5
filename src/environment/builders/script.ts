/**
 * Owns the environment that installs itself: one script of a shell for all targets, beside the programs that it installs.
 * Must not know what the script does with its parts, nor how a program is made.
 * Invariant: what the script installs has the hash that the script knows it by.
 */
import { toBase64 } from "../../base/base64.ts";
import { sha256 } from "../../base/bytes.ts";
import { digestOf } from "../../runtime/disk.ts";
import { VERSION } from "../../version.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import { type InstallerFile, type InstallerTarget, installerText } from "../install/script.ts";
import { placedBytes } from "../placed.ts";
import type { Builder, BuildInput } from "./builder.ts";

/** Most bytes of all files for tasks: they travel in the script. */
const MAX_FILES_BYTES = 32 * 1024 ** 2;
/** Hexadecimal digits that name a version on a device. */
const ID_DIGITS = 16;

/** `NAME-install.sh`, and `outrider-TARGET` for each target. */
export const scriptBuilder: Builder = {
  kind: "script",
  async build(input, out) {
    const { environment: { name }, targets } = input;
    const able = targets.filter((target) => !target.startsWith("windows-"));
    if (able.length === 0) {
      throw new EnvironmentError(
        name,
        `A script is run by a shell of Linux or macOS; the targets are ${
          targets.join(", ")
        }: make the kind executable for these`,
      );
    }
    const { text, programs } = await installerFor(input, able);
    for (const { target, path } of programs) {
      await out.file(`outrider-${target}`, { path }, { target, mode: 0o755 });
    }
    await out.file(`${name}-install.sh`, { text }, { mode: 0o755 });
  },
};

/** A program that an installer installs, and where it lies now. */
export interface InstallerProgram extends InstallerTarget {
  readonly target: Target;
  readonly path: string;
}

/** The installer of an environment, and the programs that it knows. */
export async function installerFor(
  input: BuildInput,
  targets: readonly Target[],
): Promise<{ readonly text: string; readonly programs: readonly InstallerProgram[] }> {
  const { name, version = VERSION, requires = {}, secrets = [], pipeline } = input.environment;
  const carried = await input.carried();
  const files = await filesFor(input);
  const inside = await sha256(JSON.stringify([carried, files]));
  const programs: InstallerProgram[] = [];
  for (const target of targets) {
    input.progress(`script for ${target}`);
    const path = await input.executable(target);
    const { bytes, digest } = await digestOf(path, "sha256");
    const id = (await sha256(`${digest} ${inside}`)).slice(0, ID_DIGITS);
    programs.push({ target, id, sha256: digest, bytes, path });
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
  return { text, programs };
}

async function filesFor(input: BuildInput): Promise<InstallerFile[]> {
  const files: InstallerFile[] = [];
  let left = MAX_FILES_BYTES;
  for (const [path, { mode = "0644" }] of Object.entries(input.environment.files ?? {}).sort()) {
    const bytes = await placedBytes(input, path, left);
    left -= bytes.length;
    files.push({ path, mode, base64: toBase64(bytes) });
  }
  return files;
}
