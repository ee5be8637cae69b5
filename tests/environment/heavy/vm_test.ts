/**
 * Starts virtual machines under emulation, each to a result at a gateway on this host: a kernel and its root for x64 and arm64,
 * and a disk for UEFI. Runs once, on Node (tools/test.ts).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CACHE } from "../../../tools/compile.ts";
import { runCli, startCli, urlOf } from "../../rig.ts";
import { programPath, testWith } from "../../system.ts";
import { serveApt } from "./apt_mirror.ts";
import { boot } from "./vm_rig.ts";

const MACHINES = { "linux-x64": "qemu-system-x86_64", "linux-arm64": "qemu-system-aarch64" } as const;
const FIRMWARE = "/usr/share/OVMF/OVMF_CODE.fd";
const TOKEN = "a-token-of-the-tests-gateway";
const PACKAGES = [
  ...["ca-certificates", "libc6", "busybox-static", "util-linux", "systemd-boot-efi"],
  "linux-image-cloud-ARCHITECTURE",
];

const folder: string = mkdtempSync(join(tmpdir(), "outrider-vm-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const TASKS = `import { readFileSync, writeFileSync } from "node:fs";
const tried = (path) => { try { writeFileSync(path, "x"); return "could"; } catch (error) { return error.code; } };
export const tell = () => ({
  arch: process.arch,
  user: process.getuid(),
  group: process.getgid(),
  capabilities: /CapBnd:\\s*(\\w+)/.exec(readFileSync("/proc/self/status", "utf8"))[1],
  root: tried("/etc/x"),
  secrets: tried("/run/outrider.env"),
  state: tried("/var/lib/outrider/x"),
  greeting: process.env.GREETING,
  letters: process.env.PASSWORD?.length,
  year: new Date().getUTCFullYear() > 2024,
});
`;

/** What a task finds in every machine. */
const FOUND = {
  user: 65532,
  group: 65532,
  capabilities: "0000000000000000",
  root: "EACCES",
  secrets: "EACCES",
  state: "could",
  greeting: "hello",
  letters: 6,
  year: true,
};

let built: Promise<void> | undefined;

/** Builds for each processor that there is a machine for, once. */
function build(): Promise<void> {
  return built ??= (async () => {
    writeFileSync(join(folder, "tasks.ts"), TASKS);
    writeFileSync(
      join(folder, "pipeline.json"),
      JSON.stringify({
        outrider: 1,
        name: "told",
        tasks: { tell: { run: { module: "./tasks.ts", export: "tell" } } },
      }),
    );
    const targets = Object.entries(MACHINES).filter(([, program]) => programPath(program) !== undefined);
    const environment = {
      outriderEnvironment: 1,
      name: "probe",
      targets: targets.map(([target]) => target),
      pipeline: { from: "file", path: "pipeline.json" },
      env: { GREETING: "hello" },
      secrets: ["PASSWORD"],
    };
    writeFileSync(join(folder, "environment.json"), JSON.stringify(environment));
    const mirror = await serveApt(PACKAGES);
    try {
      const { code, stderr } = await runCli([
        ...["environment", "build", join(folder, "environment.json"), "--kind", "vm"],
        ...["--output", join(folder, "out"), "--cache", CACHE],
      ], { env: { OUTRIDER_DEBIAN_MIRROR: mirror.url } });
      assert.equal(code, 0, stderr.slice(-2000));
    } finally {
      await mirror.close();
    }
  })();
}

/** What there is of a machine. */
const made = (target: string, name: string) => join(folder, `out/probe-${target}.vm`, name);

/** Has a machine run to its end, and holds what came to a gateway of its own to what was to come. */
async function comesToGateway(
  target: keyof typeof MACHINES,
  argumentsOf: (gateway: string, settings: string) => readonly string[],
): Promise<void> {
  await build();
  const env = { OUTRIDER_TOKEN: TOKEN };
  const gateway = startCli(["gateway", "--port", "0", "--db", ":memory:"], { env });
  try {
    const url = await urlOf(gateway);
    const settings = `OUTRIDER_TOKEN=${TOKEN}\nPASSWORD='s3cret'\nOUTRIDER_EXECUTOR_ID=machine\n`;
    const args = argumentsOf(url.replace("127.0.0.1", "10.0.2.2"), settings);
    const said = await boot({ program: MACHINES[target], args });
    assert.match(said, /outrider: It has ended with 0: switching off/);
    assert.doesNotMatch(said, /s3cret/);
    const ask = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await runCli(["results", ...args], {
        env: { ...env, OUTRIDER_GATEWAY: url },
      });
      assert.equal(code, 0, `${stderr}\n${said}`);
      return JSON.parse(stdout);
    };
    const [run] = await ask("--json");
    const { tasks } = await ask(run.run);
    assert.deepEqual(tasks.tell[0].value, { arch: target.replace("linux-", ""), ...FOUND }, said);
  } finally {
    gateway.kill("SIGTERM");
    await gateway.ended;
  }
}

/** A kernel with its root; the gateway is named on its command line, the secrets in a folder that becomes a disk. */
function kernelWithRoot(target: keyof typeof MACHINES, words: string) {
  return (gateway: string, settings: string): string[] => {
    const shared = mkdtempSync(join(folder, "settings-"));
    writeFileSync(join(shared, "outrider.env"), settings);
    return [
      ...["-kernel", made(target, "vmlinuz"), "-initrd", made(target, "initrd")],
      ...["-append", `${words} quiet panic=-1 OUTRIDER_GATEWAY=${gateway}`],
      ...["-drive", `file=fat:${shared},format=raw,if=virtio,readonly=on`],
    ];
  };
}

testWith(
  ["qemu-system-x86_64"],
  "a kernel with its root for x64 brings a result to the gateway",
  () => comesToGateway("linux-x64", kernelWithRoot("linux-x64", "console=ttyS0 no_timer_check")),
);

testWith(
  ["qemu-system-aarch64"],
  "a kernel with its root for arm64 brings a result to the gateway",
  () => comesToGateway("linux-arm64", kernelWithRoot("linux-arm64", "console=ttyAMA0")),
);

testWith(
  ["qemu-system-x86_64", FIRMWARE, "mcopy"],
  "a disk starts by itself in a machine with UEFI, with what was written to it, and brings a result to the gateway",
  () =>
    comesToGateway("linux-x64", (gateway, settings) => {
      const disk = join(folder, "disk.img");
      copyFileSync(made("linux-x64", "disk.img"), disk);
      writeFileSync(join(folder, "outrider.env"), `${settings}OUTRIDER_GATEWAY=${gateway}\n`);
      execFileSync("mcopy", ["-o", "-i", `${disk}@@1M`, join(folder, "outrider.env"), "::/outrider.env"]);
      return [
        ...["-drive", `if=pflash,format=raw,readonly=on,file=${FIRMWARE}`],
        ...["-drive", `file=${disk},format=raw,if=virtio,snapshot=on`],
      ];
    }),
);
