/**
 * Owns the text of an installer: what is in it of one environment, put into the program that every installer is.
 * Must not know where files come from, nor what the program does with them.
 * Invariant: the same parts give the same text; whatever a part holds, it stays the value of a variable, or lines of a file.
 */
import type { Requires } from "../../pipeline/document/manifest.ts";
import { INSTALL_POWERSHELL, INSTALL_SCRIPT } from "./install_text.ts";
import { launchdList, openrcScript, systemdUnit } from "./units.ts";

/** A program that an installer may install. */
export interface InstallerTarget {
  /** Such as `linux-x64`. */
  readonly target: string;
  /** Names the version: of program, environment and files together. */
  readonly id: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** A file for tasks. */
export interface InstallerFile {
  /** Absolute. */
  readonly path: string;
  /** In octal digits. */
  readonly mode: string;
  readonly base64: string;
}

/** What is in an installer. */
export interface InstallerParts {
  readonly name: string;
  readonly version: string;
  readonly targets: readonly InstallerTarget[];
  /** What the program reads at its start; ends with a line feed. */
  readonly carried: string;
  /** The environment itself says where pipelines come from: from inside, or by a variable. */
  readonly inside: boolean;
  /** The gateway that it names. */
  readonly gateway?: string;
  readonly files: readonly InstallerFile[];
  readonly secrets: readonly string[];
  readonly requires: Requires;
}

/** Makes it. */
export function installerText(parts: InstallerParts): string {
  const { name, version, requires } = parts;
  const texts: Readonly<Record<string, string>> = {
    NAME: quoted(name),
    VERSION: quoted(version),
    TARGETS: quoted(targetLines(parts)),
    PACKAGES: quoted((requires.packages?.debian ?? []).join(" ")),
    DEVICES: quoted((requires.devices ?? []).join(" ")),
    SECRETS: quoted(parts.secrets.join(" ")),
    INSIDE: parts.inside ? "yes" : "no",
    GATEWAY: quoted(parts.gateway ?? ""),
    SYSTEMD_UNIT: systemdUnit(name, requires),
    OPENRC_SCRIPT: openrcScript(name, requires),
    LAUNCHD_LIST: launchdList(name),
    FILES: parts.files.map(placed).join("\n"),
    CARRIED: parts.carried.replace(/\n$/, ""),
  };
  return filled(INSTALL_SCRIPT, texts);
}

/** Makes that for Windows, which places no files and looks at no requirements. */
export function powershellText(parts: InstallerParts): string {
  const { name, version, inside, carried } = parts;
  const single = (text: string) => text.replaceAll("'", "''");
  return filled(INSTALL_POWERSHELL, {
    FILE: `${name}-install.ps1`,
    NAME: single(name),
    VERSION: single(version),
    TARGETS: targetLines(parts),
    INSIDE: inside ? "yes" : "no",
    CARRIED: plainJson(carried.replace(/\n$/, "")),
  });
}

/** The same JSON in ASCII: Windows PowerShell takes a script without a mark at its beginning for one of the system's code page. */
function plainJson(text: string): string {
  return text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function filled(script: string, texts: Readonly<Record<string, string>>): string {
  return script.replace(/@([A-Z_]+)@/g, (whole, key: string) => texts[key] ?? whole);
}

function targetLines({ targets }: InstallerParts): string {
  return targets.map(({ target, id, sha256, bytes }) => `${target} ${id} ${sha256} ${bytes}`).join("\n");
}

/** What stands between single quotes. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}

function placed({ path, mode, base64 }: InstallerFile): string {
  const lines = base64.match(/.{1,76}/g) ?? [];
  return `base64 -d <<'OUTRIDER_FILE' | place ${mode} "$root"'${quoted(path)}'\n${
    lines.map((line) => `${line}\n`).join("")
  }OUTRIDER_FILE`;
}
