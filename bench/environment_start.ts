/**
 * Owns how long it takes from an environment to its first task: in a virtual machine, from the start of QEMU on, and under runc,
 * from an image layout on.
 * Run alone: `node bench/environment_start.ts vm|oci [--quick]`, likewise on Deno (`-A`) and Bun. What is not installed is
 * left out, and said.
 * Invariant: the first task itself says that it has begun, over HTTP; no clock but this process's is read.
 */
import { execFile } from "node:child_process";
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
  async after(start: () => Promise<string>): Promise<number> {
    const since = performance.now();
    const called = new Promise<number>((settle) => this.#tell = () => settle(performance.now() - since));
    const ended = start();
    const ms = await Promise.race([called, ended.then(() => undefined)]);
    const said = await ended;
    if (ms === undefined) throw new Error(`It ended without a task that has begun: ${said.slice(-2_000)}`);
    return ms;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Runs a program to its end. @throws {Error} If it fails, or takes too long. */
function ran(command: readonly string[], cwd: string, limitMs = LIMIT_MS): Promise<string> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program!,
      args,
      { cwd, timeout: limitMs, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        if (error === null) resolve(`${stdout}${stderr}`);
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
  readonly how: string;
  readonly machine: readonly string[];
  readonly words: string;
  readonly limitMs: number;
}

interface Machine {
  readonly target: "linux-x64" | "linux-arm64";
  readonly program: string;
  /** The first by which a machine starts is measured. */
  readonly emulators: readonly Emulator[];
  readonly rounds: number;
}

const MACHINES: readonly Machine[] = [
  {
    target: "linux-x64",
    program: "qemu-system-x86_64",
    emulators: [
      // It may be there, and let no machine start, where this one is a virtual one itself.
      { how: "KVM", machine: ["q35,accel=kvm", "-cpu", "host"], words: "console=ttyS0", limitMs: 30_000 },
      {
        how: "TCG",
        machine: ["q35,accel=tcg", "-cpu", "max"],
        words: "console=ttyS0 no_timer_check",
        limitMs: LIMIT_MS,
      },
    ],
    rounds: ROUNDS,
  },
  {
    target: "linux-arm64",
    program: "qemu-system-aarch64",
    emulators: [{
      how: "TCG",
      machine: ["virt,accel=tcg", "-cpu", "max,pauth-impdef=on"],
      words: "console=ttyAMA0",
      limitMs: LIMIT_MS,
    }],
    rounds: 1,
  },
];

async function machines(place: EnvironmentPlace, called: Called): Promise<Figure[]> {
  const there = MACHINES.filter(({ program }) => programPath(program) !== undefined);
  for (const { program } of MACHINES) {
    if (programPath(program) === undefined) notes.push(`${program} is not installed`);
  }
  if (there.length === 0) return [];
  await place.build({ kinds: ["vm"], targets: there.map(({ target }) => target) }, { cache: CACHE });
  const url = `http://10.0.2.2:${await called.listen()}/`;
  const figures: Figure[] = [];
  for (const machine of there) figures.push(await started(machine, { place, called, url }));
  return figures;
}

async function started(
  { target, program, emulators, rounds }: Machine,
  { place, called, url }: { readonly place: EnvironmentPlace; readonly called: Called; readonly url: string },
): Promise<Figure> {
  const made = (name: string) => join(place.folder, `out/probe-${target}.vm`, name);
  for (const [at, { how, machine, words, limitMs }] of emulators.entries()) {
    const command = [
      ...[program, "-machine", ...machine, "-m", "1024", "-nographic", "-no-reboot"],
      ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
      ...["-kernel", made("vmlinuz"), "-initrd", made("initrd")],
      ...["-append", `${words} quiet panic=-1 CALL=${url}`],
    ];
    const ms: number[] = [];
    try {
      while (ms.length < rounds) ms.push(await called.after(() => ran(command, place.folder, limitMs)));
    } catch (error) {
      if (at === emulators.length - 1) throw error;
      notes.push(`${target} does not start by ${how} here, and is emulated`);
      continue;
    }
    return figure(`environment: ${target}, QEMU to the first task`, ms, {
      unit: "ms",
      how: `kernel and root by ${how}, 1 processor, from the start of QEMU to the call of the first task`,
    });
  }
  throw new Error(`${target} has no emulator`);
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
        return await ran(["runc", "run", `outrider-bench-${process.pid}`], bundle);
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
