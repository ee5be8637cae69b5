/**
 * Owns worlds to install into: folders that look like the root of a system, in which an installer runs as if it were alone
 * there, and what of a world can be compared. And programs that stand for executables.
 * Must not know what is tested.
 * Invariant: nothing outside of the world's folder is written to, and its mounts go with the process that runs in it.
 */
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type InstallerParts, installerText } from "../../../src/environment/install/script.ts";
import { programPath } from "../../system.ts";

/** How a shell is called within a world, by its name. */
export const SHELLS: Readonly<Record<string, readonly string[]>> = {
  dash: ["dash"],
  bash: ["bash", "--posix"],
  busybox: ["/bb/busybox", "sh"],
};

const MACHINE = process.arch === "arm64" ? "arm64" : "x64";
/** What the installer takes this machine for. */
export const TARGET: string = `linux-${MACHINE}`;

/** A program that stands for an executable: it tells its version, and does one thing more. */
export function program(version: string, rest = "exit 0"): string {
  return `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; exit 0; fi\n${rest}\n`;
}

/** A program that does not even start. */
export const BROKEN = "#!/bin/sh\necho 'it can not start' >&2\nexit 3\n";

/** The text of an installer for a program. */
export function installer(
  version: string,
  contents: string | Uint8Array,
  parts: Partial<InstallerParts> = {},
): string {
  const sha256 = createHash("sha256").update(contents).digest("hex");
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents).length : contents.length;
  return installerText({
    name: "probe",
    version,
    targets: [{ target: TARGET, id: sha256.slice(0, 16), sha256, bytes }],
    carried: `${
      JSON.stringify({ outriderCarried: 1, name: "probe", version, env: { QUOTES: "'\"$HOME`@NAME@\\" } })
    }\n`,
    inside: false,
    files: [],
    secrets: [],
    requires: {},
    ...parts,
  });
}

/** A root of a system. */
export class World {
  readonly path: string = fs.mkdtempSync(join(tmpdir(), "outrider-world-"));

  constructor() {
    fs.chmodSync(this.path, 0o755);
    for (
      const folder of [
        "usr",
        "etc",
        "opt",
        "local/bin",
        "var/lib",
        "var/tmp",
        "tmp",
        "root",
        "proc",
        "dev",
        "bb",
        "t",
        "run",
      ]
    ) {
      fs.mkdirSync(join(this.path, folder), { recursive: true });
    }
    for (const link of ["bin", "sbin", "lib", "lib64"]) {
      // A system of this kind has its programs and libraries below /usr.
      if (fs.existsSync(`/usr/${link}`)) fs.symlinkSync(`usr/${link}`, join(this.path, link));
    }
    fs.writeFileSync(join(this.path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    const busybox = programPath("busybox");
    if (busybox === undefined) return;
    fs.copyFileSync(busybox, join(this.path, "bb/busybox"));
    for (const name of spawnSync(busybox, ["--list"], { encoding: "utf8" }).stdout.trim().split("\n")) {
      if (name !== "busybox") fs.symlinkSync("busybox", join(this.path, "bb", name));
    }
  }

  /** Puts a file where the installer can find it. @returns Its path within. */
  put(name: string, contents: string | Uint8Array): string {
    fs.writeFileSync(join(this.path, "t", name), contents, { mode: 0o755 });
    return `/t/${name}`;
  }

  read(path: string): string {
    return fs.readFileSync(join(this.path, path), "utf8");
  }

  has(path: string): boolean {
    return fs.lstatSync(join(this.path, path), { throwIfNoEntry: false }) !== undefined;
  }

  /** Runs a command within, and waits for it. @param before Commands that are run first, outside: mounts, for one. */
  run(
    command: readonly string[],
    { env = {}, before = "" }: { readonly env?: NodeJS.ProcessEnv; readonly before?: string } = {},
  ): { code: number; stdout: string; stderr: string } {
    const [file, ...args] = this.#inside(command, before);
    const { status, signal, stdout, stderr, error }: SpawnSyncReturns<string> = spawnSync(file!, args, {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: "/root", ...env },
      timeout: 60_000,
      // What was unshared waits for its child whatever else comes.
      killSignal: "SIGKILL",
    });
    if (error !== undefined) throw new Error(`${error.message}: ${command.join(" ")}\n${stdout}${stderr}`);
    return { code: status ?? (signal === null ? -1 : 128), stdout, stderr };
  }

  /** Starts a command within. */
  start(command: readonly string[], env: NodeJS.ProcessEnv = {}): ReturnType<typeof spawn> {
    const [file, ...args] = this.#inside(command, "");
    return spawn(file!, args, {
      env: { PATH: process.env["PATH"], HOME: "/root", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** All that is in it, a line for each: path, kind, mode, owner, contents. */
  list(without: RegExp = /^(usr|proc|dev|bb|t|tmp|run\/mount)(\/|$)/): string[] {
    const lines: string[] = [];
    const visit = (folder: string) => {
      for (const name of fs.readdirSync(join(this.path, folder)).sort()) {
        const path = folder === "" ? name : `${folder}/${name}`;
        if (without.test(path)) continue;
        const about = fs.lstatSync(join(this.path, path));
        const what = about.isDirectory()
          ? "/"
          : about.isSymbolicLink()
          ? `-> ${fs.readlinkSync(join(this.path, path))}`
          : createHash("sha256").update(fs.readFileSync(join(this.path, path))).digest("hex");
        lines.push(`${path} ${(about.mode & 0o7777).toString(8)} ${about.uid}:${about.gid} ${what}`);
        if (about.isDirectory()) visit(path);
      }
    };
    visit("");
    return lines;
  }

  remove(): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }

  /** With busybox, nothing else is in reach. */
  #inside(command: readonly string[], before: string): string[] {
    const mounts =
      "mount --rbind /usr usr && mount -o remount,bind,ro usr && mount --bind local usr/local && mount -t proc proc proc && " +
      "mount --rbind /dev dev";
    const script = `cd "$0" && ${mounts} && ${before || ":"} && ` +
      `exec env PATH=${
        command[0] === SHELLS["busybox"]![0] ? "/bb" : "/usr/sbin:/usr/bin:/sbin:/bin"
      } $(command -v chroot) . "$@"`;
    return [
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "sh",
      "-c",
      script,
      this.path,
      ...command,
    ];
  }
}
