/** Packages of Python for another machine: chosen by pip, pinned, and unpacked to where Debian's Python looks. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { zipSync } from "fflate";
import { wheelEntries, wheels } from "../../src/environment/python/wheels.ts";
import { sha256Of } from "./debian_rig.ts";

/** The form of a wheel whose files are texts. */
function wheelOf(files: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const bytes = Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)] as const);
  return zipSync(Object.fromEntries(bytes), { mtime: "1980-01-02" }) as Uint8Array<ArrayBuffer>;
}

const FILE = "some_tool-1.2-cp313-cp313-manylinux_2_28_aarch64.whl";
const wheel = wheelOf({ "some_tool/a.py": "a = 1", "some_tool-1.2.data/scripts/tool": "#!python" });

/** A stand-in for pip: it notes how it was called, and brings what lies in `brings`. */
const PIP = `#!/bin/sh
echo "$@" >> "$0.calls"
[ -f "$0.refuses" ] && { cat "$0.refuses"; exit 1; }
while [ "$1" != --dest ]; do shift; done
cp "$(dirname "$0")"/brings/* "$2/"
`;

interface Rig {
  readonly folder: string;
  /** Command lines of pip. */
  calls(): string[];
  take(requirements: readonly string[], cache?: string): ReturnType<typeof wheels>;
}

async function withPip(fn: (rig: Rig) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-wheels-"));
  const before = process.env["PATH"];
  process.env["PATH"] = `${folder}/bin:/usr/bin:/bin`;
  try {
    mkdirSync(join(folder, "bin/brings"), { recursive: true });
    writeFileSync(join(folder, "bin/python3"), PIP);
    chmodSync(join(folder, "bin/python3"), 0o755);
    writeFileSync(join(folder, "bin/brings", FILE), wheel);
    let works = 0;
    await fn({
      folder,
      calls: () => readFileSync(join(folder, "bin/python3.calls"), "utf8").trim().split("\n"),
      take: (requirements, cache = "cache") =>
        wheels({ target: "linux-arm64", requirements, python: "3.13" }, {
          folder,
          cache: join(folder, cache),
          work: join(folder, `work-${works++}`),
          progress: () => {},
        }),
    });
  } finally {
    process.env["PATH"] = before;
    rmSync(folder, { recursive: true, force: true });
  }
}

test("pip chooses wheels for the target, and the lock keeps to them by their digests", async () => {
  await withPip(async ({ folder, calls, take }) => {
    const [first] = await take(["some-tool>=1"]);
    assert.deepEqual(first?.entries.map(({ path }) => path), [
      "usr/local/lib/python3.13/dist-packages/some_tool/a.py",
      "usr/local/bin/tool",
    ]);
    assert.match(
      calls()[0]!,
      /^-m pip download --quiet --only-binary=:all: .*--python-version=3\.13 .*_2_28_aarch64 .*some-tool>=1$/,
    );
    const lock = readFileSync(join(folder, "environment.lock.json"), "utf8");
    assert.deepEqual(JSON.parse(lock).sets[0].packages, [
      { name: "some_tool", version: "1.2", path: FILE, bytes: wheel.length, sha256: sha256Of(wheel) },
    ]);
    await take(["some-tool>=1"]);
    assert.equal(calls().length, 1, "what is kept is not asked for again");
    await take(["some-tool>=1"], "elsewhere");
    assert.match(calls()[1]!, /--no-deps --require-hashes .*--requirement .*requirements.txt$/);
    assert.equal(readFileSync(join(folder, "environment.lock.json"), "utf8"), lock);
  });
});

test("a wheel that pip brings in the place of the one in the lock is refused", async () => {
  await withPip(async ({ folder, take }) => {
    await take(["some-tool"]);
    writeFileSync(join(folder, "bin/brings", FILE), wheel.map((byte, at) => at === 40 ? byte ^ 1 : byte));
    await assert.rejects(take(["some-tool"], "elsewhere"), /pip did not bring some_tool-1.2/);
  });
});

test("what pip says is wrong is told, and where there is none that is told", async () => {
  await withPip(async ({ folder, take }) => {
    writeFileSync(join(folder, "bin/python3.refuses"), "No matching distribution found for some-tool\n");
    await assert.rejects(
      take(["some-tool"]),
      /requires.python: pip can't bring the packages: No matching distribution/,
    );
  });
});

test("nothing of a wheel leaves the root, and what is no wheel is refused", () => {
  const bad: readonly [Uint8Array<ArrayBuffer>, RegExp][] = [
    [wheelOf({ "../../etc/passwd": "root" }), /does not lie below its root/],
    [wheelOf({ "/etc/passwd": "root" }), /does not lie below its root/],
    [wheelOf({ "x-1.data/data/../../../etc/passwd": "root" }), /does not lie below its root/],
    [wheel.slice(0, 60), /no wheel, or damaged/],
    [new TextEncoder().encode("<html>"), /no wheel, or damaged/],
  ];
  for (const [bytes, error] of bad) assert.throws(() => wheelEntries(bytes, "bad.whl", "3.13"), error);
});
