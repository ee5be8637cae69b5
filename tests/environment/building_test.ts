/**
 * A build beside others, in a process that may be ended, and signed: a folder is one process's at a time, nothing temporary stays,
 * and the pipeline inside has a signature of its own.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { buildEnvironment, type BuildRequest } from "../../src/environment/build.ts";
import { readCarried } from "../../src/environment/document/carried.ts";
import { carriedText } from "../../src/environment/carried_environment.ts";
import { travellingPipeline } from "../../src/environment/bundled.ts";
import { lockFolder } from "../../src/environment/folder_lock.ts";
import { MADE_FILE } from "../../src/environment/made.ts";
import { pullMade, pushMade, recordOf } from "../../src/environment/registry/deliver.ts";
import { manifestOf } from "../../src/environment/registry/pull.ts";
import { signFiles, verifyFiles } from "../../src/environment/vouch/signed.ts";
import { trustedBundle } from "../../src/trust/bundle.ts";
import { makeSecretKey } from "../../src/trust/secret_key.ts";
import { withRegistry } from "../gateway/registry_rig.ts";
import { runCli, startCli, withFiles } from "../rig.ts";
import { documentOf } from "./builder_rig.ts";
import { buildInto, delivery, lineTo } from "./registry_rig.ts";

const PIPELINE = { outrider: 1, name: "check", tasks: { a: {} } };
const FROM_FILE = { pipeline: { from: "file", path: "p.json" } } as const;

/** Builds a bundle of `p.json` into `out`. */
function bundled(folder: string, given: Partial<BuildRequest> = {}) {
  return buildEnvironment({
    environment: documentOf(FROM_FILE),
    kinds: ["bundle"],
    folder,
    output: join(folder, "out"),
    cache: join(folder, "cache"),
    epoch: 0,
    progress: () => {},
    ...given,
  });
}

test("one process at a time writes into a folder, whether it builds, pulls or signs; the others change nothing", () =>
  withRegistry((registry) =>
    withFiles({ "p.json": PIPELINE }, async (folder) => {
      const out = join(folder, "out");
      const key = await makeSecretKey();
      mkdirSync(join(folder, "pushed"));
      buildInto(join(folder, "pushed"), 300);
      const line = lineTo(registry);
      await pushMade(delivery(line, join(folder, "pushed")), ["1"]);
      const found = (await manifestOf(line, "probe", "1"))!;
      const made = (await recordOf({ line, repository: "probe" }, found))!;
      await bundled(folder);
      const names = () => readdirSync(out).filter((name) => !name.endsWith("-journal"));
      const before = names();
      const release = await lockFolder(out);
      const taken =
        /out: Another build, pull or signing writes into this folder now, and nothing was changed/;
      await assert.rejects(bundled(folder), taken);
      await assert.rejects(pullMade(delivery(line, out), found, made), taken);
      await assert.rejects(signFiles(out, key, 1), taken);
      assert.deepEqual(names(), before);
      release();
      await signFiles(out, key, 1);
      await bundled(folder);
      assert.deepEqual(names(), before);
    })
  ));

test("a build that has the folder first keeps out one that found none there", () =>
  withFiles({ "p.json": PIPELINE }, async (folder) => {
    const ends = await Promise.allSettled([bundled(folder), bundled(folder)]);
    const refused = ends.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 1);
    assert.match(String((refused[0] as PromiseRejectedResult).reason), /Another build, pull or signing/);
    assert.ok(existsSync(join(folder, "out", MADE_FILE)));
  }));

/** A builder's program that takes for ever: npm, from which an executable's base is asked. */
const SLEEPY = "#!/bin/sh\necho $$ >asked\nexec sleep 600\n";
const soon = () => new Promise((passed) => setTimeout(passed, 20));

/** Where nobody reaps it, what has ended stays, without a command line. */
function lives(id: number): boolean {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

const OTHER = process.arch === "arm64" ? "linux-x64" : "linux-arm64";

test("a build that is ended takes what is temporary with it; one that is killed has let go of the folder", () =>
  withFiles({ "p.json": PIPELINE, "e.json": documentOf({ ...FROM_FILE, targets: [OTHER] }) }, async (cwd) => {
    const temporary = join(cwd, "temporary");
    for (const name of ["temporary", "bin", "out"]) mkdirSync(join(cwd, name));
    writeFileSync(join(cwd, "bin/npm"), SLEEPY, { mode: 0o755 });
    const env = {
      PATH: `${join(cwd, "bin")}${delimiter}${process.env["PATH"]}`,
      TMPDIR: temporary,
      HOME: join(cwd, "home"),
    };
    const build = (...args: string[]) => ["environment", "build", "e.json", "-o", "out", ...args];
    const here = () => readdirSync(temporary).filter((name) => /^outrider-\w{6}$/.test(name));
    const program = () => Number(readFileSync(join(temporary, here()[0]!, asked()), "utf8"));
    const asked = () =>
      `${readdirSync(join(temporary, here()[0]!)).find((name) => /^fetch-/.test(name))}/asked`;
    for (const signal of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
      const building = startCli(build(), { cwd, env });
      await building.says("downloading");
      // Until its number is there, not only the file: 0 would be the group of this process.
      while (here().length === 0 || !existsSync(join(temporary, here()[0]!, asked())) || program() === 0) {
        await soon();
      }
      const beside = signal !== "SIGTERM" ? undefined : await runCli(build("--kind", "bundle"), { cwd, env });
      if (beside) assert.match(beside.stderr, /Another build, pull or signing writes into this folder now/);
      if (beside) assert.equal(beside.code, 2);
      const id = program();
      building.kill(signal);
      const { code } = await building.ended;
      if (signal === "SIGKILL") {
        process.kill(id, "SIGKILL");
        continue;
      }
      assert.equal(code, signal === "SIGINT" ? 130 : 143);
      assert.deepEqual(here(), []);
      while (lives(id)) await soon();
    }
    const after = await runCli(build("--kind", "bundle"), { cwd, env });
    assert.equal(after.code, 0, after.stderr);
  }));

test("build --sign signs the pipeline inside too, with the same version; one that somebody has signed stays theirs", () =>
  withFiles({ "p.json": PIPELINE }, async (folder) => {
    const [ours, theirs] = [await makeSecretKey(), await makeSecretKey()];
    const file = join(folder, "out/check.outrider.json");
    const inside = () => JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    const signer = { key: ours, version: 7 };
    const record = await bundled(folder, { signer });
    const trusted = await trustedBundle(inside(), [ours.publicKey]);
    assert.deepEqual([trusted.version, trusted.keyId], [7, ours.publicKey.id]);
    assert.equal((await verifyFiles(join(folder, "out"), [ours.publicKey])).version, 7);
    assert.deepEqual(await bundled(folder, { signer }), record, "the same version gives the same bytes");
    await bundled(folder, { signer: { key: ours, version: 8 } });
    assert.equal((await trustedBundle(inside(), [ours.publicKey])).version, 8);
    const carried = readCarried(
      carriedText(documentOf(FROM_FILE), await travellingPipeline(join(folder, "p.json"), signer)),
      "carried",
    );
    assert.equal((await trustedBundle(carried.pipeline, [ours.publicKey])).version, 7);
    await bundled(folder, { signer: { key: theirs, version: 3 } });
    writeFileSync(join(folder, "p.json"), readFileSync(file));
    const steps: string[] = [];
    await bundled(folder, { signer, progress: (step) => steps.push(step) });
    assert.deepEqual(steps, [`p.json stays signed by ${theirs.publicKey.id}`]);
    assert.equal((await trustedBundle(inside(), [theirs.publicKey])).version, 3);
    await bundled(folder);
    assert.equal(typeof inside()["signature"], "string");
  }));
