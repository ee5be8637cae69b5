/** Virtual machines: what is in a seed, in the root that a kernel unpacks and on a disk; the same bytes in any folder, no secret. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { gunzipSync } from "fflate";
import type { BuildOutput } from "../../src/environment/builders/builder.ts";
import { vmBuilder } from "../../src/environment/builders/vm.ts";
import { PackageList } from "../../src/environment/debian/package_list.ts";
import { withNamed } from "../../src/environment/debian/resolve.ts";
import type { EnvironmentDocument } from "../../src/environment/document/schema.ts";
import { firstProcess } from "../../src/environment/vm/initramfs.ts";
import { testWith } from "../system.ts";
import { debOf, serveMirror, sha256Of } from "./debian_rig.ts";
import { readFat, readInitrd, readSections, stubOf } from "./vm_rig.ts";
import { documentOf, inputOf } from "./builder_rig.ts";

const MODULES = "./usr/lib/modules/6.1/kernel";
const debs: ReadonlyMap<string, Uint8Array> = new Map([
  ["libc6", await debOf({ "./usr/lib/x86_64-linux-gnu/libc.so.6": "libc" })],
  ["ca-certificates", await debOf({ "./usr/share/ca-certificates/mozilla/A.crt": "A" })],
  ["busybox-static", await debOf({ "./usr/bin/busybox": "busybox" })],
  ["util-linux", await debOf({ "./usr/bin/setpriv": "setpriv", "./usr/bin/mount": "needless" })],
  ["libcap-ng0", await debOf({ "./usr/lib/x86_64-linux-gnu/libcap-ng.so.0.0.0": "libcap" })],
  ["systemd-boot-efi", await debOf({ "./usr/lib/systemd/boot/efi/linuxx64.efi.stub": stubOf(4) })],
  [
    "linux-image-6.1-cloud",
    await debOf({
      "./boot/vmlinuz-6.1": "kernel",
      [`${MODULES}/drivers/virtio_net.ko`]: "\0depends=failover\0",
      [`${MODULES}/net/failover.ko`]: "\0depends=\0",
      [`${MODULES}/sound/sound.ko`]: "\0depends=\0",
    }),
  ],
]);

/** A lock of the small packages, so that no list is asked for. */
function lockText(): string {
  const set = (purpose: string, names: readonly string[], wanted = names) => ({
    of: `debian trixie amd64 ${purpose}`,
    wanted: [...wanted].sort(),
    packages: [...names].sort().map((name) => ({
      name,
      version: "1",
      path: `main/pool/${name}.deb`,
      bytes: debs.get(name)!.length,
      sha256: sha256Of(debs.get(name)!),
    })),
  });
  const boot = ["busybox-static", "libcap-ng0", "systemd-boot-efi", "util-linux"];
  return JSON.stringify({
    outriderLock: 1,
    sets: [
      set("root", ["ca-certificates", "libc6"]),
      set("boot", [...boot, "linux-image-6.1-cloud"], [...boot, "linux-image-cloud-amd64"]),
    ],
  });
}

interface Made {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly used: readonly string[];
}

/** Builds machines in a folder of their own. */
async function build(given: Partial<EnvironmentDocument> = {}, carried = "carried"): Promise<Made> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-vm-"));
  const mirror = await serveMirror(
    new Map([...debs].map(([name, deb]) => [`/debian/pool/${name}.deb`, deb])),
  );
  const before = process.env["OUTRIDER_DEBIAN_MIRROR"];
  process.env["OUTRIDER_DEBIAN_MIRROR"] = mirror.url;
  try {
    const environment = documentOf(given);
    writeFileSync(join(folder, "environment.lock.json"), lockText());
    writeFileSync(join(folder, "program"), "program");
    const files = new Map<string, Uint8Array>();
    const used: string[] = [];
    const input = inputOf(environment, folder, { carried: () => Promise.resolve(carried) });
    const out: BuildOutput = {
      file: (name, from) => {
        const bytes = "bytes" in from
          ? from.bytes
          : new TextEncoder().encode((from as { text: string }).text);
        files.set(name, bytes);
        return Promise.resolve({ name, kind: "vm", bytes: bytes.length, sha256: sha256Of(bytes) });
      },
      used: ({ name, target }) => void used.push(`${name} ${target}`),
    };
    await vmBuilder.build(input, out);
    return { files, used };
  } finally {
    if (before === undefined) delete process.env["OUTRIDER_DEBIAN_MIRROR"];
    else process.env["OUTRIDER_DEBIAN_MIRROR"] = before;
    await mirror.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const ENV = { OUTRIDER_GATEWAY: "https://it's.example", GREETING: "hello" };
const made = await build({ env: ENV, secrets: ["PASSWORD"] });
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const file = (name: string) => made.files.get(`probe-linux-x64.vm/${name}`)!;

test("a machine is a seed, a kernel with its root, and a disk; what is in it of others is told", () => {
  assert.deepEqual([...made.files.keys()], [
    "probe-user-data",
    ...["seed.img", "vmlinuz", "initrd", "disk.img"].map((name) => `probe-linux-x64.vm/${name}`),
  ]);
  assert.equal(text(file("vmlinuz")), "kernel");
  assert.deepEqual([...made.used].sort(), [...debs.keys()].map((name) => `deb:${name} linux-x64`).sort());
});

test("the same environment gives the same bytes in any folder", async () => {
  const again = await build({ env: ENV, secrets: ["PASSWORD"] });
  for (const [name, bytes] of made.files) {
    assert.equal(sha256Of(again.files.get(name)!), sha256Of(bytes), name);
  }
});

interface UserData {
  readonly write_files: readonly {
    readonly path: string;
    readonly content: string;
    readonly encoding?: string;
  }[];
  readonly runcmd: readonly (readonly string[])[];
}

function userDataOf(bytes: Uint8Array | undefined): UserData {
  const [first, ...rest] = text(bytes).split("\n");
  assert.equal(first, "#cloud-config");
  return JSON.parse(rest.join("\n"));
}

test("a seed has what cloud-init looks for, the program, and a configuration to write into", () => {
  const { label, files } = readFat(file("seed.img"));
  assert.equal(label, "CIDATA");
  assert.deepEqual([...files.keys()].sort(), [
    "meta-data",
    "network-config",
    "outrider-linux-x64",
    "outrider.env",
    "user-data",
  ]);
  assert.equal(text(files.get("outrider-linux-x64")), "program");
  assert.equal(text(files.get("user-data")), text(made.files.get("probe-user-data")));
  assert.match(JSON.parse(text(files.get("meta-data")))["instance-id"], /^probe-[0-9a-f]{16}$/);
  assert.equal(JSON.parse(text(files.get("network-config"))).version, 2);
  assert.equal(
    text(files.get("outrider.env")).split("\n").slice(1).join("\n"),
    "#OUTRIDER_EXECUTOR_ID=''\n#OUTRIDER_TOKEN=''\n#PASSWORD=''\n",
  );
});

test("cloud-init is told to run the installer, which knows the program by its hash", () => {
  const { write_files: [installer, start], runcmd } = userDataOf(made.files.get("probe-user-data"));
  const packed = Buffer.from(installer!.content, "base64");
  assert.equal(installer!.encoding, "gz+b64");
  assert.ok(text(gunzipSync(packed)).includes(sha256Of(new TextEncoder().encode("program"))));
  assert.deepEqual(runcmd, [["sh", start!.path]]);
  assert.ok(start!.content.includes(installer!.path));
  assert.ok(
    text(gunzipSync(packed)).includes(`\n  GATEWAY='${ENV.OUTRIDER_GATEWAY.replaceAll("'", "'\\''")}'\n`),
  );
});

test("the root has modules in their order, what starts the program, and the environment in its last parts", async () => {
  const parts = readInitrd(file("initrd"));
  const paths = parts.map((entries) => entries.map(({ path }) => path));
  assert.deepEqual(paths[0]!.filter((path) => path.endsWith(".ko")), [
    "usr/lib/outrider/modules/00-failover.ko",
    "usr/lib/outrider/modules/01-virtio_net.ko",
  ]);
  for (const path of ["usr/lib/outrider/busybox", "usr/bin/setpriv"]) {
    assert.ok(paths[0]!.includes(path), path);
  }
  assert.ok(!paths.flat().includes("usr/bin/mount"));
  assert.deepEqual(parts.at(-2)!.at(-1)!.text, "carried");
  assert.ok(paths.at(-1)!.includes("init"));
  const other = (await build({ env: ENV, secrets: ["PASSWORD"] }, "another")).files.get(
    "probe-linux-x64.vm/initrd",
  )!;
  const differs = other.findIndex((byte, at) => byte !== file("initrd")[at]);
  const changed = readInitrd(other.subarray(0)).map((entries, at) =>
    sha256Of(Buffer.from(JSON.stringify(entries))) !==
      sha256Of(Buffer.from(JSON.stringify(parts[at])))
  );
  assert.deepEqual(changed, [...parts.slice(2).map(() => false), true, false]);
  assert.ok(differs > 0);
});

test("a disk starts the kernel with its root, and has a configuration to write into", () => {
  const disk = file("disk.img");
  const partition = new DataView(disk.buffer, disk.byteOffset);
  const first = Number(partition.getBigUint64(1024 + 32, true)) * 512;
  const last = Number(partition.getBigUint64(1024 + 40, true)) * 512;
  const { label, files } = readFat(disk.subarray(first, last + 512));
  assert.equal(label, "OUTRIDER");
  assert.deepEqual([...files.keys()], ["EFI/BOOT/BOOTX64.EFI", "outrider.env"]);
  const sections = new Map(
    readSections(files.get("EFI/BOOT/BOOTX64.EFI")!).map((each) => [each.name, each.bytes]),
  );
  assert.deepEqual([...sections.keys()], [".text", ".osrel", ".cmdline", ".linux", ".initrd"]);
  assert.equal(text(sections.get(".linux")), "kernel");
  assert.equal(sha256Of(sections.get(".initrd")!), sha256Of(file("initrd")));
  assert.match(text(sections.get(".cmdline")), /console=ttyS0 .*OUTRIDER_CONFIGURATION=disk$/);
});

test("a machine that there is none of is refused before anything is written", async () => {
  await assert.rejects(
    build({ targets: ["linux-x64", "darwin-arm64"] }),
    /linux-x64 and linux-arm64, and not for darwin-arm64/,
  );
  await assert.rejects(build({ base: "./base" }), /stands on no base but our own/);
});

/** The text of the first process. */
function init(given: Partial<EnvironmentDocument> = {}): string {
  const [entry] = firstProcess({ outriderEnvironment: 1, name: "probe", targets: ["linux-x64"], ...given });
  assert.ok(entry?.type === "file");
  return text(entry.bytes);
}

test("the program gets the capabilities and devices that are required, and no others", () => {
  const least = init();
  assert.doesNotMatch(least, /@[A-Z]+@/);
  assert.match(least, /--inh-caps="-all" --ambient-caps="-all" --bounding-set="-all"/);
  assert.match(least, /^for device in ; do$/m);
  const more = init({ requires: { capabilities: ["NET_RAW", "SYS_TIME"], devices: ["/dev/it's"] } });
  assert.match(more, /--ambient-caps="-all,\+net_raw,\+sys_time" --bounding-set="-all,\+net_raw,\+sys_time"/);
  assert.match(more, /^for device in '\/dev\/it'\\''s'; do$/m);
});

test("a machine whose pipeline is inside ends with it, and one of a gateway asks for the next", () => {
  assert.match(init({ pipeline: { from: "file", path: "p.json" } }), /\/usr\/bin\/outrider agent$/m);
  assert.match(init(), /\/usr\/bin\/outrider agent --follow$/m);
});

test("settings are read line by line, and what is none is told by its number alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-settings-"));
  try {
    const path = join(folder, "outrider.env");
    writeFileSync(
      path,
      '# said\r\nPLAIN=a b\r\n\nQUOTED=\'$(touch x) "\'\nDOUBLE="c"\nno line\n1A=secret\nA-B=secret\nLAST=d=e',
    );
    const functions = init().replace(/^mounts$[^]*/m, "").replace("/run/outrider.env", path);
    const shown = ["PLAIN", "QUOTED", "DOUBLE", "LAST"].map((name) => `printf '%s\\n' "$${name}"`).join("\n");
    const { stdout } = spawnSync("sh", ["-c", `${functions}\nsettings\n${shown}`], { encoding: "utf8" });
    const told = [6, 7, 8].map((line) =>
      `outrider: Line ${line} of outrider.env is not NAME=VALUE: it does not count\n`
    );
    assert.equal(stdout, `${told.join("")}a b\n$(touch x) "\nc\nd=e\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

testWith(["shellcheck"], "what shells run in a machine has no fault that can be seen", () => {
  const { write_files: [, start] } = userDataOf(made.files.get("probe-user-data"));
  const parts = readInitrd(file("initrd")).at(-1)!;
  const scripts = [
    start!.content,
    ...parts.map((entry) => entry.text).filter((each) => each.startsWith("#!")),
  ];
  assert.equal(scripts.length, 3);
  for (const script of scripts) {
    const { status, stdout } = spawnSync("shellcheck", ["-s", "sh", "-"], {
      input: script,
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout);
  }
});

test("the newest of what a package names is taken with it", () => {
  const paragraph = (version: string) =>
    `Package: kernel\nVersion: ${version}\nDepends: kernel-${version} (= ${version})\nFilename: pool/k.deb\nSize: 1\nSHA256: ${
      "0".repeat(64)
    }`;
  const list = new PackageList([{ archive: "main", text: `${paragraph("6.1")}\n\n${paragraph("6.10")}\n` }]);
  assert.deepEqual(withNamed(list, ["kernel", "absent"]), ["kernel", "kernel-6.10", "absent"]);
});
