/**
 * Owns that no program outlives this process, also when it is killed and can't say goodbye.
 * Must not know which programs there are, only their process groups.
 * Invariant: a group that was added and not removed gets SIGKILL when this process is gone. Where the device has no `sh`,
 * there is no guard; docs/command-tasks.md says so.
 *
 * The guard is a small process in a group of its own that waits at the end of a pipe. The system closes the pipe when we
 * end, whatever ended us; then the guard reads which groups there are from a file. That is written at once, as a pipe in
 * the hands of an event loop is not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = `
trap '' INT TERM HUP
while read -r line; do :; done
groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done < "$1/groups"
for group in $groups; do kill -KILL "-$group" 2>/dev/null || kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf "$1"
`;

interface Started {
  readonly process: ChildProcess;
  /** The file of groups. */
  readonly file: number;
}

let started: Started | undefined;
const groups = new Set<number>();

function start(): Started {
  if (started !== undefined) return started;
  const folder = mkdtempSync(join(tmpdir(), "outrider-guard-"));
  const drop = (file?: number) => {
    if (started?.file === file) started = undefined;
    if (file !== undefined) closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  };
  let file: number;
  try {
    file = openSync(join(folder, "groups"), "a", 0o600);
    for (const group of groups) writeSync(file, `+ ${group}\n`);
  } catch (error) {
    drop();
    throw error;
  }
  const child = spawn("sh", ["-c", PROGRAM, "sh", folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // There may be room for it when the next program starts; where there is no sh, there never is.
  child.on("error", (error) => (error as { code?: string }).code === "ENOENT" || drop(file));
  child.stdin?.on("error", () => {});
  child.unref();
  (child.stdin as unknown as { unref?: () => void } | undefined)?.unref?.();
  return started = { process: child, file };
}

function note(line: string): void {
  try {
    writeSync(start().file, line);
  } catch {
    // A full disk takes the guard away, and nothing else.
  }
}

/** The guard of this process. */
export const guard: { start(): void; add(group: number): void; remove(group: number): void } = {
  /** To be called before a program is started, so that the guard is there when there is something to guard. */
  start() {
    try {
      start();
    } catch {
      // As above.
    }
  },
  add(group) {
    groups.add(group);
    note(`+ ${group}\n`);
  },
  remove(group) {
    groups.delete(group);
    note(`- ${group}\n`);
    // Nothing is left to be said, so that the file does not grow with the number of programs.
    try {
      if (groups.size === 0 && started !== undefined) ftruncateSync(started.file, 0);
    } catch {
      // As above.
    }
  },
};
