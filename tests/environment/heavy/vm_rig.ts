/**
 * Owns virtual machines for tests: built of Debian's own packages and a real executable, and started under emulation.
 * Must not know what is tested.
 * Invariant: a machine is over when its promise settles, and its time is bounded.
 */
import { execFile } from "node:child_process";

/** What a machine is started with. */
export interface Machine {
  readonly program: "qemu-system-x86_64" | "qemu-system-aarch64";
  readonly args: readonly string[];
}

/** Emulation is slow, and slower beside other tests. */
const MAX_MS = 240_000;

/**
 * A Raspberry Pi 4's. In the one that emulation makes up of all that any has (`max`), Bun's memory is spoiled: one start
 * of two ends in a fault or hangs, and none of eight with this one or a Pi 5's.
 */
export const ARM64_PROCESSOR = "cortex-a72";

/** Of each processor: emulated whole, since the machine that tests may be a virtual one itself. */
const ALWAYS: Readonly<Record<Machine["program"], readonly string[]>> = {
  "qemu-system-x86_64": ["-machine", "q35,accel=tcg", "-cpu", "max"],
  "qemu-system-aarch64": ["-machine", "virt,accel=tcg", "-cpu", ARM64_PROCESSOR],
};

/** Starts a machine, and gives what its console said once it is over. The host is 10.0.2.2 to it. */
export function boot({ program, args }: Machine): Promise<string> {
  const all = [
    ...ALWAYS[program],
    ...["-m", "1024", "-nographic", "-no-reboot"],
    ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
    ...args,
  ];
  return new Promise((resolve, reject) => {
    const child = execFile(program, all, { timeout: MAX_MS, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      // Escapes of the firmware, and what a terminal wants between lines.
      const said = `${stdout}${stderr}`.replace(/\x1b\[[\d;=?]*[A-Za-z]|\x1bc|\r/g, "");
      // It takes the signal at the limit of its time for a wish, and ends with 0.
      const end = child.killed
        ? `was not over after ${MAX_MS / 1000} s`
        : `ended by ${error?.signal ?? error?.code}`;
      if (error === null && !child.killed) resolve(said);
      else reject(new Error(`${program} ${end}: ${said.slice(-4000)}`));
    });
    child.stdin?.end();
  });
}
