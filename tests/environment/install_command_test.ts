/** `outrider environment install` and `remove`, for a user alone, in a home of the test's own. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { signFiles } from "../../src/environment/vouch/signed.ts";
import { makeSecretKey } from "../../src/trust/secret_key.ts";
import { installerText } from "../../src/environment/install/script.ts";
import type { Target } from "../../src/environment/document/schema.ts";
import { MADE_FILE, type MadeFile, madeText } from "../../src/environment/made.ts";
import { runCli, withFiles } from "../rig.ts";

const MACHINE = `${process.platform === "darwin" ? "darwin" : "linux"}-${
  process.arch === "arm64" ? "arm64" : "x64"
}`;

/** Puts what was built of a version into a folder. */
function built(folder: string, version: string): void {
  const program = `#!/bin/sh\necho ${version}\n`;
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const text = installerText({
    name: "probe",
    version,
    targets: [{ target: MACHINE, id: version, sha256: sha256(program), bytes: program.length }],
    carried: "{}\n",
    inside: false,
    files: [],
    secrets: [],
    requires: {},
  });
  const files: MadeFile[] = [
    {
      name: `outrider-${MACHINE}`,
      kind: "script",
      target: MACHINE as Target,
      bytes: program.length,
      sha256: sha256(program),
    },
    { name: "probe-install.sh", kind: "script", bytes: text.length, sha256: sha256(text), mode: "0755" },
  ];
  mkdirSync(folder);
  writeFileSync(join(folder, `outrider-${MACHINE}`), program, { mode: 0o755 });
  writeFileSync(join(folder, "probe-install.sh"), text);
  const record = {
    outriderMade: 1,
    name: "probe",
    version,
    outrider: "1",
    kinds: ["script"],
    files,
    used: [],
  } as const;
  writeFileSync(join(folder, MADE_FILE), madeText(record));
}

/** A home, with what was built beside it. */
function withHome(
  work: (context: {
    readonly folder: string;
    readonly home: string;
    readonly run: (...args: string[]) => ReturnType<typeof runCli>;
    readonly env: Record<string, string>;
  }) => Promise<void>,
): Promise<void> {
  return withFiles({}, async (folder) => {
    const home = join(folder, "home");
    mkdirSync(home);
    const env = {
      HOME: home,
      XDG_DATA_HOME: "",
      XDG_CONFIG_HOME: "",
      XDG_STATE_HOME: "",
      OUTRIDER_TOKEN: "secret-one",
    };
    await work({
      folder,
      home,
      env,
      run: (...args) => runCli(["environment", ...args], { cwd: folder, env }),
    });
  });
}

/** What is in a home, without what runtimes keep there. */
function namesIn(home: string): string[] {
  return readdirSync(home).filter((name) => ![".bun", ".cache", ".deno"].includes(name));
}

const RUNS = process.platform === "linux" || process.platform === "darwin";

test("environment install puts what was built where it runs, and remove takes it away without a trace", () =>
  withHome(async ({ folder, home, run }) => {
    built(join(folder, "one"), "1.0.0");
    const dry = await run("install", "one", "--user", "--dry-run");
    assert.deepEqual(namesIn(home), []);
    if (!RUNS) return;
    assert.match(dry.stdout, /\+ take .*outrider-\w+-\w+ into .*versions\/1\.0\.0/);
    const first = await run("install", "one", "--user", "--id", "pi-7", "--gateway", "http://127.0.0.1:9");
    assert.deepEqual([first.code, first.stderr], [0, ""]);
    assert.match(first.stdout, /^probe 1\.0\.0 is installed in /);
    const place = join(home, ".local/share/outrider");
    assert.equal(readFileSync(join(place, "current/outrider"), "utf8"), "#!/bin/sh\necho 1.0.0\n");
    const settings = readFileSync(join(home, ".config/outrider.env"), "utf8");
    assert.match(settings, /^OUTRIDER_EXECUTOR_ID='pi-7'\nOUTRIDER_GATEWAY='http:\/\/127\.0\.0\.1:9'$/m);
    assert.match(settings, /^OUTRIDER_TOKEN='secret-one'$/m);
    built(join(folder, "two"), "2.0.0");
    assert.equal((await run("install", join("two", "probe-install.sh"), "--user")).code, 0);
    assert.equal(readFileSync(join(place, "current/outrider"), "utf8"), "#!/bin/sh\necho 2.0.0\n");
    const removed = await run("remove", "--user", "--purge");
    assert.deepEqual([removed.code, removed.stderr], [0, ""]);
    assert.deepEqual(namesIn(home), []);
    const again = await run("remove", "--user");
    assert.deepEqual([again.code, /Nothing is installed in /.test(again.stderr)], [1, true]);
  }));

test("environment install refuses what is not as its record says, or is nothing that can be installed", () =>
  withHome(async ({ folder, home, run }) => {
    built(join(folder, "one"), "1.0.0");
    writeFileSync(join(folder, "one/probe-install.sh"), "echo changed >&2; touch $HOME/run\n");
    const changed = await run("install", "one", "--user");
    assert.equal(changed.code, 2);
    assert.match(changed.stderr, /probe-install\.sh is not what was built: its SHA-256 is /);
    mkdirSync(join(folder, "empty"));
    const empty = await run("install", "empty", "--user");
    assert.deepEqual([empty.code, /has no environment\.made\.json/.test(empty.stderr)], [2, true]);
    const record = {
      outriderMade: 1,
      name: "probe",
      outrider: "1",
      kinds: ["executable"],
      files: [],
      used: [],
    } as const;
    writeFileSync(join(folder, "empty", MADE_FILE), madeText(record));
    const other = await run("install", "empty", "--user");
    assert.deepEqual([other.code, /has no install script: build it with/.test(other.stderr)], [2, true]);
    assert.deepEqual([existsSync(join(home, "run")), namesIn(home)], [false, []]);
  }));

test("environment install with OUTRIDER_TRUST refuses what no trusted key has signed, what was changed and what is older", () =>
  withHome(async ({ folder, home, run, env }) => {
    const ours = await makeSecretKey();
    const make = async (name: string, version: number) => {
      built(join(folder, name), `${name}.0.0`);
      await signFiles(join(folder, name), ours, version);
    };
    await make("old", 6);
    await make("new", 7);
    await make("changed", 8);
    writeFileSync(join(folder, "changed", `outrider-${MACHINE}`), "#!/bin/sh\necho changed\n");
    built(join(folder, "unsigned"), "9.0.0");
    env["OUTRIDER_TRUST"] = ours.publicKey.text;
    const refused = async (what: string, message: RegExp) => {
      const { code, stdout, stderr } = await run("install", what, "--user");
      assert.deepEqual([code, stdout], [2, ""], what);
      assert.match(stderr, message, what);
    };
    await refused(join("unsigned", "probe-install.sh"), /is not signed/);
    await refused("changed", /outrider-[\w-]+: It has .* was changed/);
    await run("install", "new", "--user", "--dry-run");
    assert.deepEqual(namesIn(home), []);
    if (!RUNS) return;
    // What was only looked at is none that others are older than.
    for (const what of ["old", join("new", "probe-install.sh")]) {
      const { code, stderr } = await run("install", what, "--user");
      assert.deepEqual([code, stderr], [0, ""], what);
    }
    // What the device is configured to trust counts for who does not know of it; the first install has written it.
    env["OUTRIDER_TRUST"] = "";
    await refused("unsigned", /is not signed: there is no environment\.made\.json\.minisig beside it/);
    await refused("old", /Version 6 of environment probe is older than version 7, which was taken before/);
    const place = join(home, ".local/share/outrider");
    assert.equal(readFileSync(join(place, "current/outrider"), "utf8"), "#!/bin/sh\necho new.0.0\n");
    assert.equal((await run("remove", "--user", "--purge")).code, 0);
    assert.deepEqual(namesIn(home), []);
  }));
