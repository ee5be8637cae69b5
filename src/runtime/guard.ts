/**
 * Owns that no program outlives this process, also when it is killed and can't say goodbye.
 * Must not know which programs there are, only their process groups.
 * Invariant: a group that was added and not removed gets SIGKILL when this process is gone. Where the device has no `sh`,
 * there is no guard; docs/command-tasks.md says so.
 *
 * The guard is a small process in a group of its own that reads which groups there are from a pipe. The system closes the
 * pipe when we end, whatever ended us.
 */
import { type ChildProcess, spawn } from "node:child_process";

const PROGRAM = `
trap '' INT TERM HUP
groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null || kill -s KILL -- "-$group" 2>/dev/null; done
exit 0
`;

let child: ChildProcess | undefined;

function write(line: string): void {
  if (child === undefined) {
    const started = child = spawn("sh", ["-c", PROGRAM], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    started.on("error", () => {});
    started.stdin!.on("error", () => {});
    started.unref();
    (started.stdin as unknown as { unref?: () => void }).unref?.();
  }
  child.stdin!.write(line);
}

/** The guard of this process; started with the first group. */
export const guard: { add(group: number): void; remove(group: number): void } = {
  add: (group) => write(`+ ${group}\n`),
  remove: (group) => write(`- ${group}\n`),
};
