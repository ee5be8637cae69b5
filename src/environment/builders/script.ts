/**
 * Owns the environment that installs itself: one script for all targets, and one for Windows, beside the programs that they
 * install.
 * Must not know what the script does with its parts, nor how a program is made.
 * Invariant: what the script installs has the hash that the script knows it by.
 */
import { toBase64 } from "../../base/base64.ts";
import { sha256 } from "../../base/bytes.ts";
import { digestOf } from "../../runtime/disk.ts";
import { VERSION } from "../../version.ts";
import { EnvironmentError } from "../document/error.ts";
import type { Target } from "../document/schema.ts";
import {
  type InstallerFile,
  type InstallerParts,
  type InstallerTarget,
  installerText,
  powershellText,
} from "../install/script.ts";
import { placedBytes } from "../placed.ts";
import type { Builder, BuildInput } from "./builder.ts";

/** Most bytes of all files for tasks: they travel in the script. */
const MAX_FILES_BYTES = 32 * 1024 ** 2;
/** Variables that say where pipelines come from. */
const SOURCES = ["OUTRIDER_GATEWAY", "OUTRIDER_PIPELINE", "NETUNICORN_GATEWAY_ENDPOINT"];
/** Hexadecimal digits that name a version on a device. */
const ID_DIGITS = 16;

/** `NAME-install.sh`, `NAME-install.ps1` for Windows, and `outrider-TARGET` for each target. */
export const scriptBuilder: Builder = {
  kind: "script",
  async build(input, out) {
    const { environment: { name, files = {} }, targets } = input;
    const windows = targets.filter((target) => target.startsWith("windows-"));
    const others = targets.filter((target) => !target.startsWith("windows-"));
    if (windows.length > 0 && Object.keys(files).length > 0) {
      throw new EnvironmentError(
        name,
        `"files" have no place on ${windows.join(", ")}: leave them or these targets out`,
      );
    }
    for (const [some, ending, exe] of [[others, "sh", ""], [windows, "ps1", ".exe"]] as const) {
      if (some.length === 0) continue;
      const made = await installerFor(input, some);
      for (const { target, path } of made.programs) {
        await out.file(`outrider-${target}${exe}`, { path }, { target, mode: 0o755 });
      }
      const text = ending === "sh" ? installerText(made) : powershellText(made);
      await out.file(`${name}-install.${ending}`, { text }, { mode: 0o755 });
    }
  },
};

/** A program that an installer installs, and where it lies now. */
export interface InstallerProgram extends InstallerTarget {
  readonly target: Target;
  readonly path: string;
}

/** What is in the installer of an environment, and where the programs that it knows lie. */
export async function installerFor(
  input: BuildInput,
  targets: readonly Target[],
): Promise<InstallerParts & { readonly programs: readonly InstallerProgram[] }> {
  const { name, version = VERSION, requires = {}, secrets = [], env = {}, pipeline } = input.environment;
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
  const { OUTRIDER_GATEWAY: gateway } = env;
  return {
    name,
    version,
    targets: programs,
    carried,
    inside: pipeline?.from === "file" || SOURCES.some((each) => env[each]),
    ...(gateway !== undefined && { gateway }),
    files,
    secrets,
    requires,
    programs,
  };
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
