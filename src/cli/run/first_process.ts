/**
 * Owns what is said where this process is the first of its container, to which the system gives what others leave behind.
 * Must not know what runs.
 * Invariant: it is said once, at the start. No runtime lets us wait for processes that it has not started itself; so what is
 * left behind stays in the table of processes there, and fills it in the end.
 */
import type { Runtime } from "../../runtime/port.ts";

/** Says what to do, if this is the first process. */
export function sayIfFirst({ pid, stderr }: Pick<Runtime, "pid" | "stderr">): void {
  if (pid !== 1) return;
  stderr.write(
    "outrider · This is the first process of its container (PID 1), and can't clear away processes that tasks leave behind: they pile up as zombies. Start the container with --init (Docker, Podman), init: true (Compose) or shareProcessNamespace: true (Kubernetes); docs/operations.md says more\n",
  );
}
