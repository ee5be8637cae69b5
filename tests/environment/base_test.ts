/** What executables are made of: only what has the digest on record is unpacked, kept and handed out. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { type Bytes, gzip } from "../../src/base/bytes.ts";
import { baseOf, hostTarget, usedBase } from "../../src/environment/executable/base.ts";
import type { Base } from "../../src/environment/executable/base_form.ts";
import { BASE_LIST } from "../../src/environment/executable/base_list.ts";
import { fetchBase } from "../../src/environment/executable/fetch.ts";
import { checkProcessorFirst } from "../../src/environment/executable/processor.ts";
import { unpackOne } from "../../src/environment/executable/unpack.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";

/** A tar of files, as npm's are. */
function tar(files: Readonly<Record<string, string>>): Bytes {
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const contents = new TextEncoder().encode(text);
    const header = new Uint8Array(512);
    const put = (at: number, value: string) => header.set(new TextEncoder().encode(value), at);
    put(0, name);
    put(124, `${contents.length.toString(8).padStart(11, "0")}\0`);
    put(257, "ustar\0");
    const padded = new Uint8Array(Math.ceil(contents.length / 512) * 512);
    padded.set(contents);
    return [header, padded];
  });
  return new Uint8Array(Buffer.concat([...parts, new Uint8Array(1024)]));
}

function hash(algorithm: string, bytes: Uint8Array | string): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

const PROGRAM = "#!/bin/true\n".repeat(100);

/** A package, and what is on record of it. */
async function packed(): Promise<{ readonly archive: Bytes; readonly base: Base }> {
  const archive = await gzip(tar({ "package/other": "x".repeat(700), "package/bin/program": PROGRAM }));
  return {
    archive,
    base: {
      package: "made-up",
      version: "1.0.0",
      file: "bin/program",
      sha512: hash("sha512", archive),
      bytes: archive.length,
      fileSha256: hash("sha256", PROGRAM),
      fileBytes: PROGRAM.length,
    },
  };
}

/** Fetches with a made-up npm, which gives an archive or nothing. */
async function fetched(folder: string, base: Base, archive: Uint8Array | undefined): Promise<string> {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  if (archive !== undefined) writeFileSync(join(folder, "given.tgz"), archive);
  const script = archive === undefined
    ? "echo asked >> asked; echo it is out of reach; exit 1"
    : `cat '${join(folder, "given.tgz")}' > made-up-1.0.0.tgz; echo >> '${join(folder, "asked")}'`;
  writeFileSync(join(bin, "npm"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const path = process.env["PATH"]!;
  process.env["PATH"] = `${bin}:${path}`;
  try {
    const work = join(folder, `work-${Math.floor(performance.now() * 1e3)}`);
    return await fetchBase(base, { cache: join(folder, "cache"), work, progress: () => {} });
  } finally {
    process.env["PATH"] = path;
  }
}

test("each base is on record with its digests, for each target that it is made for", () => {
  for (const [name, targets] of Object.entries(BASE_LIST)) {
    for (const [target, base] of Object.entries(targets)) {
      assert.match(base.sha512, /^[0-9a-f]{128}$/, `${name} ${target}`);
      assert.match(base.fileSha256, /^[0-9a-f]{64}$/);
      assert.ok(base.fileBytes > 5e7 && base.bytes > 2e7);
      assert.equal(base.version, Object.values(targets)[0]!.version);
    }
  }
  assert.deepEqual(Object.keys(BASE_LIST.bun).length, 6);
  assert.throws(
    () => baseOf("node", "windows-arm64"),
    /There is no package of node for it: take "runtime": "bun" or "deno"/,
  );
  assert.throws(() => hostTarget("plan9-mips"), /can't be made on plan9-mips/);
  assert.match(usedBase(baseOf("bun", "linux-x64"), "linux-x64").digest!, /^sha512:/);
});

test("a base is downloaded once, and verified each time", () =>
  withFiles({}, async (folder) => {
    const { archive, base } = await packed();
    const path = await fetched(folder, base, archive);
    assert.equal(readFileSync(path, "utf8"), PROGRAM);
    assert.equal(await fetched(folder, base, archive), path);
    assert.equal(readFileSync(join(folder, "asked"), "utf8"), "\n");
    writeFileSync(path, PROGRAM.replace("true", "fals"));
    assert.equal(readFileSync(await fetched(folder, base, archive), "utf8"), PROGRAM);
    assert.equal(readFileSync(join(folder, "asked"), "utf8"), "\n\n");
  }));

test("a base that is another than on record is refused, and nothing of it is kept", () =>
  withFiles({}, async (folder) => {
    const { archive, base } = await packed();
    const changed = archive.slice();
    changed[changed.length - 9]! ^= 1;
    await assert.rejects(fetched(folder, base, changed), /has the SHA-512 .*… instead of /);
    await assert.rejects(fetched(folder, base, archive.slice(0, -5)), /has the SHA-512/);
    const other = await gzip(tar({ "package/bin/program": PROGRAM.replace("true", "fals") }));
    await assert.rejects(
      fetched(folder, { ...base, sha512: hash("sha512", other) }, other),
      /its program has another digest than the one on record/,
    );
    assert.ok(!existsSync(join(folder, "cache")));
  }));

test("a base that can't be had is told with what npm said", () =>
  withFiles({}, async (folder) => {
    const { base } = await packed();
    // Where this is Bun, it is asked next: at a port where nobody is.
    process.env["BUN_CONFIG_REGISTRY"] = "http://127.0.0.1:9/";
    try {
      await assert.rejects(fetched(folder, base, undefined), /could.* get it: it is out of reach/);
    } finally {
      delete process.env["BUN_CONFIG_REGISTRY"];
    }
  }));

test("of a package one file is taken, and no more of it than its size", () =>
  withFiles({}, async (folder) => {
    const { archive } = await packed();
    const path = join(folder, "a.tgz");
    writeFileSync(path, archive);
    const take = (name: string, bytes: number) =>
      unpackOne(runtime, { archive: path, name, to: join(folder, "to"), bytes });
    await take("package/bin/program", PROGRAM.length);
    assert.equal(readFileSync(join(folder, "to"), "utf8"), PROGRAM);
    await assert.rejects(take("package/bin/program", 5), /has 1200 bytes instead of 5/);
    await assert.rejects(take("package/gone", 5), /holds no file package\/gone/);
    writeFileSync(path, await gzip(tar({ "package/bin/program": PROGRAM }).slice(0, 900)));
    await assert.rejects(take("package/bin/program", PROGRAM.length), /cut off/);
  }));

test("the check of the processor is put only into what has the form that is known", () =>
  withFiles({ text: "no program at all".repeat(30) }, async (folder) => {
    await assert.rejects(checkProcessorFirst(join(folder, "text")), /It is no program for x86-64/);
    assert.equal(readFileSync(join(folder, "text"), "utf8"), "no program at all".repeat(30));
  }));
