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
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { childProcess } from "./builtin.ts";
import { locate } from "./located.ts";

const PROGRAM = `
trap '' INT TERM HUP
while read -r line; do :; done
groups=" "
mark=""
numbers() { for path in $1; do path=\${path%/*}; echo "\${path#/proc/}"; done; }
while read -r sign group; do
  case "$sign" in
    m) mark="$group" ;;
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done < "$1/groups"
case "$mark" in ?*)
  # Again, since what is being started while we look is not seen; not for ever.
  for try in 1 2 3 4 5 6 7 8 9 10; do
    found=$(grep -ls "$mark" /proc/[0-9]*/environ 2>/dev/null)
    [ "$found" ] || break
    pids=$(numbers "$found")
    all="$pids"
    # What descends from them too: it may have cleared its environment.
    while [ "$pids" ]; do
      either=$(echo $pids | tr ' ' '|')
      pids=$(numbers "$(grep -lsE "^PPid:[[:space:]]*($either)\$" /proc/[0-9]*/status 2>/dev/null)")
      all="$all $pids"
    done
    for pid in $all; do kill -KILL "$pid" 2>/dev/null; done
  done ;;
esac
for group in $groups; do kill -KILL "-$group" 2>/dev/null || kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf "$1"
`;

interface Started {
  readonly process: ChildProcess;
  readonly folder: string;
  /** The file of groups. */
  file: number;
  /** How much is in it. */
  bytes: number;
}

let started: Started | undefined;
let mark: string | undefined;
const groups = new Set<number>();

function start(): Started {
  if (started !== undefined) return started;
  const folder = mkdtempSync(join(tmpdir(), "outrider-guard-"));
  const drop = () => {
    if (started?.folder === folder) {
      closeSync(started.file);
      started = undefined;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  let file: number;
  let bytes: number;
  try {
    file = openSync(join(folder, "groups"), "a", 0o600);
    bytes = writeSync(file, lines());
  } catch (error) {
    drop();
    throw error;
  }
  const sh = locate("sh", { path: process.env["PATH"], cwd: process.cwd() });
  const child = childProcess().spawn("problem" in sh ? "/bin/sh" : sh.file, ["-c", PROGRAM, "sh", folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // There may be room for it when the next program starts; where there is no sh, there never is.
  child.on("error", (error) => (error as { code?: string }).code === "ENOENT" || drop());
  child.stdin?.on("error", () => {});
  child.unref();
  (child.stdin as unknown as { unref?: () => void } | undefined)?.unref?.();
  return started = { process: child, folder, file, bytes };
}

/** All that the guard has to know. */
function lines(): string {
  return [...mark === undefined ? [] : [`m ${mark}\n`], ...Array.from(groups, (group) => `+ ${group}\n`)]
    .join("");
}

function note(line: string): void {
  try {
    const guard = start();
    guard.bytes += writeSync(guard.file, line);
  } catch {
    // A full disk takes the guard away, and nothing else.
  }
}

/** So much may be in the file, or twice of what the guard has to know, before it is written anew: each time would take longer. */
const MAX_BYTES = 4096;

/** Writes the file anew, without the groups that are gone. At no moment is there none, or a part of it. */
function shorten(guard: Started): void {
  const text = lines();
  if (guard.bytes < Math.max(MAX_BYTES, 2 * text.length)) return;
  const path = join(guard.folder, "groups");
  const file = openSync(`${path}.new`, "w", 0o600);
  try {
    writeSync(file, text);
    renameSync(`${path}.new`, path);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  closeSync(guard.file);
  Object.assign(guard, { file, bytes: text.length });
}

/** The guard of this process. */
export const guard: {
  start(): void;
  add(group: number): void;
  remove(group: number): void;
  watch(mark: string): void;
} = {
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
    try {
      if (started !== undefined && started.bytes >= MAX_BYTES) shorten(started);
    } catch {
      // As above.
    }
  },
  /** What has this in its environment is to end with this process too. There is one such mark. */
  watch(text) {
    if (mark === text) return;
    mark = text;
    note(`m ${text}\n`);
  },
};
