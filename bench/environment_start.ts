/**
 * Owns how long it takes from an environment to its first task: in a virtual machine, from the start of QEMU on, and under runc,
 * from an image layout on.
 * Run alone: `node bench/environment_start.ts vm|oci [--quick]`, likewise on Deno (`-A`) and Bun. What is not installed is
 * left out, and said.
 * Invariant: the first task itself says that it has begun, over HTTP; no clock but this process's is read.
 */
import { execFile, spawn } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { programPath } from "../tests/system.ts";
import { CACHE } from "../tools/compile.ts";
import { type EnvironmentPlace, NO_PACKAGES, withEnvironments, withPackages } from "./environment_place.ts";
import { type Figure, figure, print, quick, words } from "./figure.ts";

const ROUNDS = quick ? 1 : 3;
const LIMIT_MS = 240_000;

/** Whom first tasks call. */
class Called {
  readonly #server = createServer((_, response) => {
    response.end();
    this.#tell?.();
  });
  #tell: (() => void) | undefined;

  async listen(): Promise<number> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Milliseconds from now to the next call; what is started has to end by itself. */
  async after(start: () => Promise<void>): Promise<number> {
    const since = performance.now();
    const called = new Promise<number>((settle) => this.#tell = () => settle(performance.now() - since));
    const ended = start();
    const ms = await Promise.race([called, ended.then(() => undefined)]);
    await ended;
    if (ms === undefined) throw new Error("It ended without a task that has begun");
    return ms;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Runs a program to its end. @throws {Error} If it fails, or takes too long. */
function ran(command: readonly string[], cwd: string): Promise<void> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program!,
      args,
      { cwd, timeout: LIMIT_MS, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        if (error === null) resolve();
        else {reject(
            new Error(
              `${program} ended by ${error.signal ?? error.code}: ${`${stdout}${stderr}`.slice(-2000)}`,
            ),
          );}
      },
    );
    child.stdin?.end();
  });
}

interface Emulator {
  readonly target: "linux-x64" | "linux-arm64";
  readonly program: string;
  readonly how: string;
  readonly machine: readonly string[];
  readonly words: string;
  readonly rounds: number;
}

const X64 = { target: "linux-x64", program: "qemu-system-x86_64" } as const;
const EMULATORS: readonly Emulator[] = [
  {
    ...X64,
    how: "KVM",
    machine: ["-machine", "q35,accel=kvm", "-cpu", "host"],
    words: "console=ttyS0",
    rounds: ROUNDS,
  },
  {
    ...X64,
    how: "TCG",
    machine: ["-machine", "q35,accel=tcg", "-cpu", "max"],
    words: "console=ttyS0 no_timer_check",
    rounds: ROUNDS,
  },
  {
    target: "linux-arm64",
    program: "qemu-system-aarch64",
    how: "TCG",
    machine: ["-machine", "virt,accel=tcg", "-cpu", "max,pauth-impdef=on"],
    words: "console=ttyAMA0",
    rounds: 1,
  },
];

/** Whether machines run on this processor itself: KVM may be there and not let them. */
async function hasKvm(): Promise<boolean> {
  const child = spawn(X64.program, ["-accel", "kvm", "-display", "none", "-S"], { stdio: "ignore" });
  const ended = new Promise<false>((settle) => {
    child.on("error", () => settle(false));
    child.on("close", () => settle(false));
  });
  const runs = await Promise.race([
    ended,
    new Promise<true>((settle) => setTimeout(() => settle(true), 1_000)),
  ]);
  child.kill("SIGKILL");
  return runs;
}

async function machines(place: EnvironmentPlace, called: Called): Promise<Figure[]> {
  const kvm = await hasKvm();
  const there = EMULATORS.filter(({ program, how, target }) =>
    programPath(program) !== undefined && (target === "linux-arm64" || (how === "KVM") === kvm)
  );
  notes.push(
    ...[X64.program, "qemu-system-aarch64"].filter((program) => programPath(program) === undefined)
      .map((program) => `${program} is not installed`),
    ...(kvm ? [] : ["KVM is not here: the machine for x64 is emulated"]),
  );
  if (there.length === 0) return [];
  await place.build({ kinds: ["vm"], targets: there.map(({ target }) => target) }, { cache: CACHE });
  const port = await called.listen();
  const figures: Figure[] = [];
  for (const { target, program, how, machine, words, rounds } of there) {
    const made = (name: string) => join(place.folder, `out/probe-${target}.vm`, name);
    const command = [
      ...[program, ...machine, "-m", "1024", "-nographic", "-no-reboot"],
      ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
      ...["-kernel", made("vmlinuz"), "-initrd", made("initrd")],
      ...["-append", `${words} quiet panic=-1 CALL=http://10.0.2.2:${port}/`],
    ];
    const ms: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ms.push(await called.after(() => ran(command, place.folder)));
    }
    figures.push(figure(`environment: ${target}, QEMU to the first task`, ms, {
      unit: "ms",
      how: `kernel and root by ${how}, 1 processor, from the start of QEMU to the call of the first task`,
    }));
  }
  return figures;
}

const PROGRAMS = ["skopeo", "umoci", "runc"];

async function images(place: EnvironmentPlace, called: Called): Promise<Figure[]> {
  const missing = PROGRAMS.filter((program) => programPath(program) === undefined);
  if (process.getuid?.() !== 0) missing.push("root");
  if (missing.length > 0) {
    notes.push(`from an image to the first task is left out: ${missing.join(", ")} is not here`);
    return [];
  }
  await place.build({ kinds: ["oci"], targets: ["linux-x64"] }, { cache: CACHE });
  const call = `CALL=http://127.0.0.1:${await called.listen()}/`;
  const image = join(place.folder, "image"), bundle = join(place.folder, "bundle");
  const state = join(place.folder, "state");
  const whole: number[] = [], alone: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const path of [image, bundle]) rmSync(path, { recursive: true, force: true });
    whole.push(
      await called.after(async () => {
        const layout = `oci:${join(place.folder, "out/probe.oci")}:latest`;
        await ran(
          ["skopeo", "copy", "-q", "--override-arch=amd64", layout, `oci:${image}:latest`],
          place.folder,
        );
        await ran(["umoci", "unpack", "--image", `${image}:latest`, bundle], place.folder);
        prepare(bundle, state, call);
        await ran(["runc", "run", `outrider-bench-${process.pid}`], bundle);
      }),
    );
    alone.push(
      await called.after(() => {
        emptied(state);
        return ran(["runc", "run", `outrider-bench-${process.pid}`], bundle);
      }),
    );
  }
  const how = "read-only, without capabilities, for x64, to the call of the first task";
  return [
    figure("environment: image to the first task", whole, {
      unit: "ms",
      how: `from an image layout: skopeo, umoci, runc; ${how}`,
    }),
    figure("environment: runc to the first task", alone, { unit: "ms", how: `unpacked before; ${how}` }),
  ];
}

/** A folder for the state, which the image's user may write to. */
function emptied(state: string): void {
  rmSync(state, { recursive: true, force: true });
  mkdirSync(state);
  chownSync(state, 65532, 65532);
}

/** Has it run as docs/environments.md says, on the network of this machine. */
function prepare(bundle: string, state: string, call: string): void {
  emptied(state);
  const path = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  config.root.readonly = true;
  config.process.terminal = false;
  for (const set of Object.keys(config.process.capabilities)) config.process.capabilities[set] = [];
  config.process.env.push(call);
  config.linux.namespaces = config.linux.namespaces.filter(({ type }: { type: string }) =>
    type !== "network"
  );
  const own = ["/var/lib/outrider", "/tmp"];
  config.mounts = [
    ...config.mounts.filter(({ destination }: { destination: string }) => !own.includes(destination)),
    { destination: own[0], type: "bind", source: state, options: ["bind", "rw"] },
    { destination: own[1], type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777"] },
  ];
  writeFileSync(path, JSON.stringify(config));
}

const notes: string[] = [];
const work = words[0] === "oci" ? images : machines;
const called = new Called();
try {
  await withEnvironments(async (place) => {
    const figures = await withPackages(() => work(place, called));
    print(
      "environment_start",
      figures ?? [],
      figures === undefined ? [`starts are left out: ${NO_PACKAGES}`] : notes,
    );
  });
} finally {
  called.close();
}
