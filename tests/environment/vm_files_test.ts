/** What virtual machines are written with: archives, volumes, tables of partitions, programs of UEFI, modules in their order. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileEntry, folderEntry, linkEntry, type RootEntry } from "../../src/environment/root/entry.ts";
import { cpioArchive } from "../../src/environment/vm/cpio.ts";
import { crc32 } from "../../src/environment/vm/crc32.ts";
import { fatVolume } from "../../src/environment/vm/fat.ts";
import { gptDisk } from "../../src/environment/vm/gpt.ts";
import { modulesOf } from "../../src/environment/vm/modules.ts";
import { withSections } from "../../src/environment/vm/pe.ts";
import { testWith } from "../system.ts";
import { sha256Of } from "./debian_rig.ts";
import { readCpio, readFat, readSections, stubOf } from "./vm_rig.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

const ENTRIES: readonly RootEntry[] = [
  fileEntry("usr/bin/program", "program", 0o755),
  linkEntry("bin", "usr/bin"),
  folderEntry("var/state", 0o750, 65532),
  fileEntry("etc/odd", "12345"),
  fileEntry("etc/empty", ""),
];

test("an archive has every entry with its rights, its owner and its time, behind the folder above it", () => {
  const bytes = cpioArchive(ENTRIES, 86_400);
  const { entries, length } = readCpio(bytes);
  assert.equal(length, bytes.length);
  assert.equal(bytes.length % 4, 0);
  assert.deepEqual(
    entries.map(({ path, mode, owner, text }) => [path, mode.toString(8), owner, text]),
    [
      ["bin", "120777", 0, "usr/bin"],
      ["etc", "40755", 0, ""],
      ["etc/empty", "100644", 0, ""],
      ["etc/odd", "100644", 0, "12345"],
      ["usr", "40755", 0, ""],
      ["usr/bin", "40755", 0, ""],
      ["usr/bin/program", "100755", 0, "program"],
      ["var", "40755", 0, ""],
      ["var/state", "40750", 65532, ""],
    ],
  );
  assert.ok(entries.every(({ mtime }) => mtime === 86_400));
});

testWith(["busybox"], "others read an archive", () => {
  const { stdout, status } = spawnSync("busybox", ["cpio", "-t"], { input: cpioArchive(ENTRIES, 0) });
  assert.equal(status, 0);
  assert.deepEqual(
    String(stdout).trim().split("\n"),
    readCpio(cpioArchive(ENTRIES, 0)).entries.map(({ path }) => path),
  );
});

const FILES = [
  { path: "EFI/BOOT/BOOTX64.EFI", bytes: new Uint8Array(5_000).fill(7) },
  { path: "outrider.env", bytes: bytesOf("#A=''\n") },
  { path: "thirteen-name", bytes: bytesOf("13") },
  { path: "thirteen-names-in-two-parts", bytes: bytesOf("27") },
  { path: "meta-data", bytes: new Uint8Array() },
  { path: "outrider.txt", bytes: bytesOf("like the other") },
];
const OPTIONS = { label: "OUTRIDER", serial: 0x12345678, epoch: 0 };

test("a volume has its files by their whole names, room for more, and nothing twice", () => {
  const { label, files, shorts, free } = readFat(fatVolume(FILES, OPTIONS));
  assert.equal(label, "OUTRIDER");
  assert.deepEqual(
    new Map([...files].map(([path, bytes]) => [path, sha256Of(bytes)])),
    new Map(FILES.map(({ path, bytes }) => [path, sha256Of(bytes)])),
  );
  assert.equal(new Set(shorts).size, shorts.length);
  assert.ok(shorts.includes("EFI/BOOT/BOOTX64 EFI"), shorts.join());
  assert.ok(free > 500_000);
});

test("a file that fills its clusters, and one of many megabytes, are whole", () => {
  const large = new Uint8Array(68 * 1024 ** 2 + 1);
  for (let at = 0; at < large.length; at += 1024) large[at] = at >>> 10;
  const files = [{ path: "FULL", bytes: large.subarray(0, 4096) }, { path: "LARGE", bytes: large }];
  const volume = readFat(fatVolume(files, OPTIONS));
  assert.equal(volume.sectorsACluster, 2);
  assert.equal(sha256Of(volume.files.get("LARGE")!), sha256Of(large));
  assert.equal(volume.files.get("FULL")!.length, 4096);
});

test("more than a volume can hold is refused", () => {
  const bytes = { length: 2 * 1024 ** 3 + 1 } as Uint8Array;
  assert.throws(
    () => fatVolume([{ path: "LARGE", bytes }], OPTIONS),
    /2147483649 bytes, more than 2147483648/,
  );
});

testWith(["fsck.fat", "mcopy"], "others read a volume, and find nothing wrong with it", () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-fat-"));
  try {
    const path = join(folder, "volume");
    writeFileSync(path, fatVolume(FILES, OPTIONS));
    const checked = spawnSync("fsck.fat", ["-n", path], { encoding: "utf8" });
    assert.equal(checked.status, 0, checked.stdout);
    const read = spawnSync("mcopy", ["-i", path, "::/outrider.env", "-"], { encoding: "utf8" });
    assert.equal(read.stdout, "#A=''\n", read.stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a disk has one partition, two tables that agree, and sums that hold", async () => {
  const partition = new Uint8Array(3 * 512).fill(5);
  const disk = await gptDisk(partition, "OUTRIDER");
  const view = new DataView(disk.buffer);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  assert.equal(disk.length % 1024 ** 2, 0);
  const last = disk.length / 512 - 1;
  assert.equal(view.getUint16(510, true), 0xaa55);
  assert.equal(disk[450], 0xee);
  const heads = [[512, last, 1], [disk.length - 512, 1, last]] as const;
  for (const [head, other, here] of heads) {
    assert.equal(new TextDecoder().decode(disk.subarray(head, head + 8)), "EFI PART");
    assert.deepEqual([u64(head + 24), u64(head + 32)], [here, other]);
    const table = u64(head + 72) * 512;
    assert.equal(view.getUint32(head + 88, true), crc32(disk.subarray(table, table + 128 * 128)));
    const summed = disk.slice(head, head + 92);
    summed.fill(0, 16, 20);
    assert.equal(view.getUint32(head + 16, true), crc32(summed));
    const [first, end] = [u64(table + 32), u64(table + 40)];
    assert.ok(first >= u64(head + 40) && end <= u64(head + 48));
    assert.deepEqual(disk.subarray(first * 512, (end + 1) * 512), partition);
  }
  assert.equal(crc32(bytesOf("123456789")), 0xcbf43926);
  const guid = (of: Uint8Array) => Buffer.from(of.subarray(512 + 56, 512 + 72)).toString("hex");
  assert.notEqual(guid(disk), guid(await gptDisk(partition.fill(6), "OUTRIDER")));
});

test("the same is the same on each runtime, to the last bit", async () => {
  const volume = fatVolume(FILES, { ...OPTIONS, epoch: 1_700_000_000 });
  const digests = [cpioArchive(ENTRIES, 0), volume, await gptDisk(volume, "OUTRIDER")].map(sha256Of);
  assert.deepEqual(digests.map((each) => each.slice(0, 12)), [
    "81bb81323642",
    "0d724815f2b1",
    "a532df223405",
  ]);
});

test("sections are added behind those of a program, each at a page of its own", () => {
  const stub = stubOf(2);
  const made = withSections(stub, [
    { name: ".cmdline", bytes: bytesOf("quiet") },
    { name: ".linux", bytes: new Uint8Array(5_000).fill(1) },
  ]);
  const [text, cmdline, linux, ...more] = readSections(made);
  assert.deepEqual([text!.name, cmdline!.name, linux!.name, more.length], [".text", ".cmdline", ".linux", 0]);
  assert.deepEqual([text!.address, cmdline!.address, linux!.address], [4096, 8192, 12288]);
  assert.equal(new TextDecoder().decode(cmdline!.bytes), "quiet");
  assert.deepEqual(linux!.bytes, new Uint8Array(5_000).fill(1));
  assert.equal(text!.bytes[0], 0x90);
  assert.equal(made.length % 512, 0);
  assert.equal(new DataView(made.buffer).getUint32(128 + 80, true), 12288 + 8192);
});

test("what is no program of UEFI, or has no room, takes no section", () => {
  const section = { name: ".cmdline", bytes: bytesOf("quiet") };
  for (const program of [new Uint8Array(), new Uint8Array(1_000), stubOf(1).subarray(0, 200)]) {
    assert.throws(() => withSections(program, [section]), /is none: its package is damaged/);
  }
  assert.throws(() => withSections(stubOf(1), [section, section]), /has no room for its parts/);
});

function module(name: string, ...needed: readonly string[]): RootEntry {
  return fileEntry(`usr/lib/modules/6/kernel/${name}.ko`, `ELF\0license=GPL\0depends=${needed.join(",")}\0`);
}

test("modules stand behind what they depend on, each once, whatever dash their files are named with", async () => {
  const entries = [
    module("virtio_net", "net_failover"),
    module("net_failover", "failover"),
    module("failover"),
    module("nls_iso8859-1"),
    module("other"),
  ];
  const found = await modulesOf(entries, ["virtio_net", "failover", "built_in", "nls_iso8859_1"]);
  assert.deepEqual(found.map(({ name }) => name), [
    "failover",
    "net_failover",
    "virtio_net",
    "nls_iso8859_1",
  ]);
});

test("a module that depends on what is not there, on itself, or does not say, is refused", async () => {
  await assert.rejects(modulesOf([module("a", "b")], ["a"]), /no module b, which a depends on/);
  await assert.rejects(modulesOf([module("a", "b"), module("b", "a")], ["a"]), /each other: a, b, a/);
  await assert.rejects(
    modulesOf([fileEntry("usr/lib/modules/6/a.ko", "ELF")], ["a"]),
    /a does not say what it depends on/,
  );
});
