/**
 * Holds the installer to what it promises, in worlds of its own: its whole life under three shells, cut off at any place,
 * killed, without room, twice at once, and from gateways that are none.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SEED } from "../../seed.ts";
import { ROOT, testWith } from "../../system.ts";
import { BROKEN, installer, program, SHELLS, TARGET, World } from "./installer_rig.ts";

const ONE = program("1.0.0");
const TWO = program("2.0.0");

/** A world with installers of two versions and their programs. */
function world(): World {
  const made = new World();
  for (const [version, contents] of [["1.0.0", ONE], ["2.0.0", TWO], ["3.0.0", BROKEN]] as const) {
    made.put(`v${version[0]}`, contents);
    made.put(`v${version[0]}.sh`, installer(version, contents));
  }
  return made;
}

function withWorld(
  name: string,
  work: (world: World) => void | Promise<void>,
  needs: readonly string[] = [],
): void {
  testWith([ROOT, "busybox", ...needs], `installer: ${name}`, async () => {
    const made = world();
    try {
      await work(made);
    } finally {
      made.remove();
    }
  });
}

/** Versions that a world has, the one that runs first. */
function versions(world: World): (string | undefined)[] {
  return ["current", "previous"].map((link) => {
    const path = `opt/outrider/${link}`;
    if (!world.has(path)) return undefined;
    return /echo (\S+);/.exec(world.read(`${path}/outrider`))?.[1];
  });
}

function assertRan(result: ReturnType<World["run"]>, code: number, words: RegExp): void {
  assert.match(result.stdout + result.stderr, words);
  assert.equal(result.code, code, result.stdout + result.stderr);
}

testWith(
  ["shellcheck"],
  "installer: shellcheck finds nothing, for a shell that has no more than POSIX says",
  () => {
    const folder = fs.mkdtempSync(join(tmpdir(), "outrider-shellcheck-"));
    try {
      const file = join(folder, "install.sh");
      const files = [{ path: "/srv/it's here", mode: "0644", base64: "aGVsbG8=".repeat(100) }];
      fs.writeFileSync(file, installer("1.0.0", ONE, { files, requires: { devices: ["/dev/null"] } }));
      execFileSync("shellcheck", ["-s", "sh", file], { encoding: "utf8" });
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
);

for (const [name, shell] of Object.entries(SHELLS)) {
  withWorld(`${name} installs, upgrades, goes back, and leaves nothing`, (world) => {
    const before = world.list();
    const run = (...args: string[]) => world.run([...shell, ...args]);
    assertRan(
      run("/t/v3.sh", "--from", "/t/v3"),
      1,
      /does not run here .*nothing has changed: it can not start/,
    );
    assert.deepEqual(world.list(), before, "a first one that can't start leaves nothing");
    assertRan(run("/t/v1.sh", "--from", "/t/v1", "--dry-run"), 0, /\+ write \/etc\/outrider.env/);
    assert.deepEqual(world.list(), before, "a dry run changes nothing");
    assertRan(
      run("/t/v1.sh", "--from", "/t/v1"),
      0,
      /probe 1\.0\.0 is installed in \/opt\/outrider\nIt is not started/,
    );
    assertRan(run("/usr/local/bin/outrider", "--version"), 0, /^1\.0\.0\n$/);
    assertRan(run("/t/v1.sh", "--verify"), 0, /probe 1\.0\.0 is as it was installed/);
    const installed = world.list();
    assertRan(run("/t/v1.sh", "--from", "/t/v1"), 0, /was installed already/);
    assert.deepEqual(world.list(), installed, "once more changes nothing");
    assertRan(run("/t/v3.sh", "--from", "/t/v3"), 1, /does not run here/);
    assertRan(
      run("/t/v2.sh", "--from", "/t/v1"),
      1,
      /What came is not what was promised \(SHA-256 [0-9a-f]{64}, not/,
    );
    assert.deepEqual(world.list(), installed, "what is refused changes nothing");
    assertRan(run("/t/v1.sh", "--rollback"), 1, /There is no version before/);
    assertRan(run("/t/v2.sh", "--from", "/t/v2"), 0, /probe 2\.0\.0 is installed/);
    assert.deepEqual(versions(world), ["2.0.0", "1.0.0"]);
    assertRan(run("/t/v2.sh", "--rollback"), 0, /runs again/);
    assert.deepEqual(versions(world), ["1.0.0", "2.0.0"]);
    assertRan(run("/t/v2.sh", "--verify"), 1, /which is not 2\.0\.0 of probe/);
    fs.appendFileSync(join(world.path, "opt/outrider/current/outrider"), "# changed\n");
    assertRan(run("/t/v1.sh", "--verify"), 1, /was changed: install it again/);
    assertRan(run("/t/v1.sh", "--from", "/t/v1"), 0, /installed/);
    assertRan(run("/t/v1.sh", "--verify"), 0, /is as it was installed/);
    assertRan(run("/t/v2.sh", "--uninstall"), 0, /its configuration .* and its state .* stay/);
    assert.deepEqual(
      world.list().filter((line) => !before.includes(line)).map((line) => line.split(" ")[0]),
      [
        "etc/outrider.env",
        "opt/outrider",
        "opt/outrider/files",
      ],
    );
    assertRan(run("/t/v1.sh", "--from", "/t/v1"), 0, /installed/);
    fs.mkdirSync(join(world.path, "var/lib/outrider"));
    assertRan(run("/t/v1.sh", "--purge"), 0, /probe is gone/);
    assert.deepEqual(world.list(), before, "a purge leaves nothing");
    assertRan(run("/t/v1.sh", "--purge"), 1, /Nothing is installed/);
    assertRan(run("/t/v1.sh", "--wrong"), 2, /There is no option --wrong/);
    assertRan(run("/t/v1.sh", "--from"), 2, /--from needs a value/);
  });

  withWorld(`${name} does nothing with a file that was cut off, wherever that was`, (world) => {
    const whole = world.read("t/v1.sh");
    const before = world.list();
    const last = whole.length - 'outrider_installer "$@" whole.\n'.length;
    const places = Array.from({ length: 22 }, (_, at) => Math.floor((at + (SEED % 97) / 97) / 22 * last));
    // In the last line every place is tried but that behind the last word.
    for (let at = last; at < whole.length - 1; at += 1) places.push(at);
    assert.ok(places.length >= 40);
    // In one process: a shell for each place, and what each has changed.
    for (const [at, place] of places.entries()) world.put(`cut${at}.sh`, whole.slice(0, place));
    const each = places.map((_, at) => `${shell.join(" ")} /t/cut${at}.sh --from /t/v1 >/dev/null 2>&1`).join(
      "; ",
    );
    world.run(["/bb/busybox", "sh", "-c", `PATH=/bb:/usr/bin; ${each}; true`]);
    assert.deepEqual(world.list(), before);
  });
}

withWorld("what an operator has changed or put there stays, and is told", (world) => {
  const at = (path: string) => join(world.path, path);
  fs.writeFileSync(at("local/bin/outrider"), "another program\n");
  const files = [{ path: "/etc/probe/settings.json", mode: "0640", base64: "b25l" }];
  world.put("v1.sh", installer("1.0.0", ONE, { files }));
  world.put("v2.sh", installer("2.0.0", TWO, { files: [{ ...files[0]!, base64: "dHdv" }] }));
  const before = world.list();
  assertRan(
    world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]),
    0,
    /local\/bin\/outrider is none of ours: it stays/,
  );
  assert.equal(world.read("etc/probe/settings.json"), "one");
  assert.equal(fs.statSync(at("etc/probe/settings.json")).mode & 0o777, 0o640);
  fs.appendFileSync(at("etc/outrider.env"), "OUTRIDER_LOG_LEVEL='warn'\n");
  assertRan(world.run(["sh", "/t/v2.sh", "--from", "/t/v2"]), 0, /2\.0\.0 is installed/);
  assert.match(world.read("etc/outrider.env"), /OUTRIDER_LOG_LEVEL='warn'\n$/);
  assert.equal(world.read("etc/probe/settings.json"), "two", "what nobody changed is upgraded");
  fs.writeFileSync(at("etc/probe/settings.json"), "mine");
  assertRan(
    world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]),
    0,
    /settings\.json was changed here, or is none of ours/,
  );
  assert.equal(world.read("etc/probe/settings.json"), "mine");
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  assert.deepEqual(world.list(), before);
});

withWorld("what was there before it is not taken away by a purge", (world) => {
  fs.writeFileSync(join(world.path, "etc/outrider.env"), "OUTRIDER_EXECUTOR_ID=mine\n");
  const before = world.list();
  assertRan(world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]), 0, /installed/);
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  assert.deepEqual(world.list(), before);
});

withWorld("settings that come in a file are placed where there are none, and go with a purge", (world) => {
  const before = world.list();
  world.put("env", "OUTRIDER_EXECUTOR_ID='seed'\n");
  const install = ["sh", "/t/v1.sh", "--from", "/t/v1", "--settings", "/t/env"];
  const alone = world.run(install);
  assertRan(alone, 0, /It is not started: say where its gateway is/);
  assert.equal(world.read("etc/outrider.env"), "OUTRIDER_EXECUTOR_ID='seed'\n");
  world.put("env", "OUTRIDER_EXECUTOR_ID='other'\n");
  assertRan(world.run(install), 0, /installed already/);
  assert.equal(world.read("etc/outrider.env"), "OUTRIDER_EXECUTOR_ID='seed'\n");
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  assert.deepEqual(world.list(), before);
  assertRan(world.run([...install.slice(0, -1), "/t/none"]), 1, /The settings can't be read from \/t\/none/);
  assert.deepEqual(world.list(), before);
  // What the environment itself says is configured too, and is where the program is asked for.
  const own = { inside: true, gateway: "http://127.0.0.1:9" };
  world.put("v1.sh", installer("1.0.0", ONE, own));
  const configured = world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]);
  assertRan(configured, 0, /No service starts it here/);
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  fs.renameSync(join(world.path, "t/v1"), join(world.path, "t/one"));
  assertRan(
    world.run(["sh", "/t/v1.sh", "--dry-run"]),
    0,
    /take http:\/\/127\.0\.0\.1:9\/v2\/probe\/blobs\/sha256:/,
  );
});

withWorld(
  "files that variables name from here are named from the root, keys and revoked ones as they are",
  (world) => {
    const key = `RW${"A".repeat(54)}`;
    const env = {
      OUTRIDER_TRUST: `ours.pub, ${key},!0AF,/etc/b.pub,./c.pub`,
      OUTRIDER_TOKEN_FILE: "token",
      OUTRIDER_SERVE: "off",
    };
    const command = "cd /t && sh v1.sh --from v1 --checked";
    assertRan(world.run(["sh", "-c", command], { env }), 0, /installed/);
    const lines = world.read("etc/outrider.env").split("\n");
    assert.ok(
      lines.includes(`OUTRIDER_TRUST='/t/ours.pub,${key},!0AF,/etc/b.pub,/t/c.pub'`),
      lines.join("\n"),
    );
    assert.ok(lines.includes("OUTRIDER_TOKEN_FILE='/t/token'"));
    assert.ok(lines.includes("OUTRIDER_SERVE='off'"));
  },
);

withWorld(
  "settings of the environment are written once, whatever is in them, and the token is shown nowhere",
  (world) => {
    const odd = 'a b$HOME`id`\\"#;';
    const env = {
      OUTRIDER_TOKEN: "secret-token",
      OUTRIDER_GATEWAY: "http://127.0.0.1:9",
      OUTRIDER_GROUPS: odd,
      KEY: "s",
    };
    world.put("v1.sh", installer("1.0.0", ONE, { secrets: ["KEY", "OTHER"] }));
    const result = world.run(["sh", "/t/v1.sh", "--from", "/t/v1", "--id=probe-1"], {
      env: { ...env, OUTRIDER_SECRETS: "it's" },
    });
    assertRan(result, 0, /OUTRIDER_SECRETS has a quote or more than one line: write it into/);
    assert.doesNotMatch(result.stdout + result.stderr, /secret-token/);
    const lines = world.read("etc/outrider.env").split("\n").slice(1);
    assert.deepEqual(lines, [
      "#OTHER=''",
      "KEY='s'",
      "OUTRIDER_EXECUTOR_ID='probe-1'",
      "OUTRIDER_GATEWAY='http://127.0.0.1:9'",
      `OUTRIDER_GROUPS='${odd}'`,
      "OUTRIDER_TOKEN='secret-token'",
      "",
    ]);
    assert.equal(fs.statSync(join(world.path, "etc/outrider.env")).mode & 0o777, 0o600);
  },
);

withWorld("a machine that can't run it is told so in words, before anything is changed", (world) => {
  const before = world.list();
  const install = ["sh", "/t/v1.sh", "--from", "/t/v1"];
  assertRan(
    world.run(["setarch", "i686", ...install]),
    1,
    /There is no Outrider for a machine of the kind i686/,
  );
  world.put("cpuinfo", "flags\t\t: fpu sse2 ssse3 sse4_1\n");
  if (TARGET === "linux-x64") {
    const old = world.run(install, { before: "mount --bind t/cpuinfo proc/cpuinfo" });
    assertRan(old, 1, /This processor has no SSE4\.2, which Outrider needs/);
  }
  world.put(
    "v1.sh",
    installer("1.0.0", ONE, { requires: { packages: { debian: ["dash", "no-such-package"] } } }),
  );
  const dpkg = `#!/bin/sh\n[ "$4" = dash ] && echo 'install ok installed'\n`;
  fs.writeFileSync(join(world.path, "local/bin/dpkg-query"), dpkg, { mode: 0o755 });
  const without = world.run(["env", "PATH=/usr/local/bin:/usr/bin", ...install]);
  assertRan(without, 1, /packages that are not here; nothing has changed: apt-get install no-such-package\n/);
  fs.rmSync(join(world.path, "local/bin/dpkg-query"));
  fs.mkdirSync(join(world.path, "t/empty"));
  assertRan(world.run([...install, "--root", "/t/empty"]), 1, /no C library of GNU \(glibc\) here/);
  assertRan(
    world.run([...install, "--target", "linux-riscv64"]),
    1,
    /is not made for linux-riscv64, but for: linux-/,
  );
  assertRan(world.run(["sh", "/t/v1.sh", "--from", "/t/nothing", "--target", TARGET]), 1, /./);
  assert.deepEqual(world.list(), before);
});

withWorld(
  "an upgrade that is killed at any moment leaves one that works, and the next one is whole",
  async (world) => {
    const before = world.list();
    const bytes = Math.floor(2e6);
    const large = (version: string) => `${program(version)}#${"x".repeat(bytes)}\n`;
    for (const version of ["1.0.0", "2.0.0"]) {
      world.put(`v${version[0]}`, large(version));
      world.put(`v${version[0]}.sh`, installer(version, large(version)));
    }
    assertRan(world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]), 0, /installed/);
    const started = performance.now();
    assertRan(world.run(["sh", "/t/v2.sh", "--from", "/t/v2"]), 0, /installed/);
    const whole = performance.now() - started;
    for (let round = 0; round < 25; round++) {
      const [now] = versions(world);
      const other = now === "1.0.0" ? 2 : 1;
      const child = world.start(["sh", `/t/v${other}.sh`, "--from", `/t/v${other}`]);
      const ended = new Promise((settle) => child.on("close", settle));
      const timer = setTimeout(() => child.kill("SIGKILL"), whole * (round + (SEED % 10) / 10) / 25);
      await ended;
      clearTimeout(timer);
      const runs = world.run(["/opt/outrider/current/outrider", "--version"]);
      assert.match(runs.stdout, /^[12]\.0\.0\n$/, `round ${round}: ${runs.stderr}`);
      // As a device does that starts again.
      world.run(["sh", "/opt/outrider/settle"]);
      assert.match(world.run(["/opt/outrider/current/outrider", "--version"]).stdout, /^[12]\.0\.0\n$/);
    }
    assertRan(world.run(["sh", "/t/v2.sh", "--from", "/t/v2"]), 0, /installed/);
    assertRan(world.run(["sh", "/t/v2.sh", "--verify"]), 0, /is as it was installed/);
    assertRan(world.run(["sh", "/t/v2.sh", "--purge"]), 0, /gone/);
    assert.deepEqual(world.list(), before);
  },
);

withWorld(
  "a trial that was cut off goes back before the service starts, but not under an install that is at work",
  (world) => {
    for (const version of [1, 2]) {
      assertRan(world.run(["sh", `/t/v${version}.sh`, "--from", `/t/v${version}`]), 0, /installed/);
    }
    const before = fs.readlinkSync(join(world.path, "opt/outrider/previous")).slice("versions/".length);
    const trial = () => fs.writeFileSync(join(world.path, "opt/outrider/trial"), `${before}\n`);
    trial();
    const live =
      `cd /opt/outrider; echo "$$ $(cut -d' ' -f22 /proc/$$/stat) $(cat /proc/sys/kernel/random/boot_id)" >lock; sh settle; rm lock`;
    world.run(["sh", "-c", live]);
    assert.deepEqual(versions(world)[0], "2.0.0");
    world.run(["sh", "/opt/outrider/settle"]);
    assert.deepEqual([versions(world)[0], world.has("opt/outrider/trial")], ["1.0.0", false]);
  },
);

withWorld(
  "files that an upgrade has placed are again what they were where it is not well, or was cut off in its trial",
  (world) => {
    const at = (path: string) => join(world.path, path);
    const file = (path: string, text: string) => ({
      path,
      mode: "0640",
      base64: Buffer.from(text).toString("base64"),
    });
    const both = (text: string) => [file("/etc/probe/settings.json", text)];
    world.put("v1.sh", installer("1.0.0", ONE, { files: both("one") }));
    world.put(
      "v2.sh",
      installer("2.0.0", TWO, { files: [...both("two"), file("/etc/new/more.json", "more")] }),
    );
    // It runs once, as the installer looks whether it does, and then no more.
    const twice = program("3.0.0").replace(
      "if [",
      "[ ! -e /t/ran ] || exit 1; case $0 in */current/*) : ;; *) : >/t/ran ;; esac\nif [",
    );
    world.put("v3", twice);
    world.put(
      "v3.sh",
      installer("3.0.0", twice, { files: [...both("three"), file("/etc/new/more.json", "x")] }),
    );
    const before = world.list();
    assertRan(world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]), 0, /installed/);
    const first = world.list();
    const settings = () => world.read("etc/probe/settings.json");
    const isFirst = (why: string) => {
      assert.deepEqual([settings(), world.has("etc/new/more.json"), versions(world)[0]], [
        "one",
        false,
        "1.0.0",
      ], why);
      assert.deepEqual(
        world.list(/^(usr|proc|dev|bb|t|tmp|etc\/new|opt)(\/|$)/),
        first.filter((line) => !/^(etc\/new|opt)(\/|\b)/.test(line)),
      );
    };
    assertRan(
      world.run(["sh", "/t/v3.sh", "--from", "/t/v3"]),
      1,
      /3\.0\.0 is not well here: what was there before runs/,
    );
    isFirst("not well");
    // Killed in each step of placing, and of the trial: as a device does that starts again.
    for (const step of ["/trial", "outrider/files", "settings.json", "more.json", "/current"]) {
      const stop =
        `mv() { command mv "$@" || return; case "$*" in *${step}) kill -9 "$(sh -c 'echo $PPID')" ;; esac; }`;
      world.put("cut.sh", world.read("t/v2.sh").replace("set -eu", `set -eu; ${stop}`));
      assert.notEqual(world.run(["sh", "/t/cut.sh", "--from", "/t/v2"]).code, 0, step);
      world.run(["sh", "/opt/outrider/settle"]);
      isFirst(step);
    }
    assertRan(world.run(["sh", "/t/v2.sh", "--from", "/t/v2"]), 0, /2\.0\.0 is installed/);
    assert.deepEqual([settings(), world.read("etc/new/more.json")], ["two", "more"]);
    assert.equal(world.has("opt/outrider/replaced"), false);
    const noted = world.read("opt/outrider/files").trim().split("\n").map((line) => line.split(" ")[1]);
    assert.equal(new Set(noted).size, noted.length, "one line for each path");
    // What was placed by a version that went back is none of the operator's.
    assertRan(world.run(["sh", "/t/v1.sh", "--from", "/t/v1"]), 0, /1\.0\.0 is installed/);
    assert.equal(settings(), "one");
    fs.writeFileSync(at("etc/probe/settings.json"), "mine");
    fs.rmSync(at("t/ran"), { force: true });
    assertRan(world.run(["sh", "/t/v3.sh", "--from", "/t/v3"]), 1, /settings\.json was changed here/);
    assert.equal(settings(), "mine");
    assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
    assert.deepEqual(world.list(), before);
  },
);

withWorld("without room it changes nothing, in whichever step that is", (world) => {
  const text = (version: string) => `${program(version)}#${"x".repeat(100_000)}\n`;
  for (const version of ["1.0.0", "2.0.0"]) {
    world.put(`v${version[0]}`, text(version));
    world.put(`v${version[0]}.sh`, installer(version, text(version)));
  }
  // A disk for /opt that takes so many pages, and what is left on it after a first install, and after an upgrade.
  const within = `
    sh /t/v1.sh --from /t/v1 >/t/out1 2>&1; echo "first $?"; find /opt -mindepth 1 | sort >/t/left1
    [ -e /opt/outrider/current ] || exit 0
    /opt/outrider/current/outrider --version
    sh /t/v2.sh --from /t/v2 >/t/out2 2>&1; echo "second $?"; find /opt -name '*.new*' -o -name trial
    /opt/outrider/current/outrider --version`;
  const seen = new Set<string>();
  const last = 75;
  for (
    const pages of [
      1,
      2,
      3,
      4,
      6,
      9,
      14,
      26,
      27,
      28,
      29,
      30,
      31,
      32,
      33,
      34,
      40,
      50,
      56,
      57,
      58,
      59,
      60,
      61,
      last,
    ]
  ) {
    const { stdout } = world.run(["sh", "-c", within], {
      before: `mount -t tmpfs -o size=${pages * 4}k tmpfs opt`,
    });
    seen.add(stdout);
    if (stdout.startsWith("first 1")) {
      assert.equal(world.read("t/left1"), "", `${pages} pages: ${world.read("t/out1")}`);
    } else if (stdout.includes("second 1")) {
      assert.equal(stdout, "first 0\n1.0.0\nsecond 1\n1.0.0\n", `${pages} pages: ${world.read("t/out2")}`);
      assert.match(world.read("t/out2"), /room/);
    } else assert.equal(stdout, "first 0\n1.0.0\nsecond 0\n2.0.0\n", `${pages} pages`);
  }
  assert.equal(seen.size, 3, [...seen].join("\n"));
});

withWorld(
  "of some that start at the same time one installs, the others say so, and a lock that was left is no hindrance",
  (world) => {
    const before = world.list();
    const each = [1, 2, 1, 2].map((version, at) =>
      `{ sh /t/v${version}.sh --from /t/v${version} >/t/said${at} 2>&1; echo $? >/t/code${at}; } &`
    );
    for (let round = 0; round < 3; round++) {
      world.run(["sh", "-c", `${each.join(" ")} wait`]);
      const ended = each.map((_, at) => ({
        code: Number(world.read(`t/code${at}`)),
        said: world.read(`t/said${at}`),
      }));
      assert.ok(ended.some(({ code }) => code === 0), JSON.stringify(ended));
      for (const { code, said } of ended) {
        if (code !== 0) {
          assert.match(said, /^Another install is at work here \(process \d+\): nothing has changed\n$/);
        }
      }
      assert.match(world.run(["/opt/outrider/current/outrider", "--version"]).stdout, /^[12]\.0\.0/);
    }
    // As one leaves it that was killed: of a process that is gone, and of one that has its number now.
    for (const holder of ["99999 1 x", "1 1 x"]) {
      fs.writeFileSync(join(world.path, "opt/outrider/lock"), `${holder}\n`);
      assertRan(world.run(["sh", "/t/v2.sh", "--from", "/t/v2"]), 0, /installed/);
    }
    assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
    assert.deepEqual(world.list(), before);
  },
);

withWorld("a signature by a key that is trusted here is asked for, if there is one", (world) => {
  const at = (name: string) => join(world.path, "t", name);
  const key = (name: string) => {
    execFileSync("minisign", ["-G", "-W", "-f", "-p", at(`${name}.pub`), "-s", at(`${name}.key`)], {
      stdio: "ignore",
    });
    return fs.readFileSync(at(`${name}.pub`), "utf8").trim().split("\n")[1]!;
  };
  const [ours, other] = [key("ours"), key("other")];
  const sign = (name: string, file: string) =>
    execFileSync("minisign", ["-S", "-W", "-s", at(`${name}.key`), "-m", at(file)], { stdio: "ignore" });
  const before = world.list();
  const install = (trust: string) =>
    world.run(["sh", "/t/v1.sh", "--from", "/t/v1"], { env: { OUTRIDER_TRUST: trust } });
  assertRan(install(ours), 1, /Neither the program nor this file is signed by a key that is trusted here/);
  sign("other", "v1");
  assertRan(install(ours), 1, /Neither the program nor this file is signed/);
  assert.deepEqual(world.list(), before);
  assertRan(install(`${ours},${other}`), 0, /installed/);
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  fs.rmSync(at("v1.minisig"));
  // The record of a folder, if it names both; and who has looked already need not look twice.
  const digest = (file: string) => createHash("sha256").update(fs.readFileSync(at(file))).digest("hex");
  const record = (...files: string[]) => {
    fs.writeFileSync(at("environment.made.json"), JSON.stringify(files.map(digest)));
    sign("ours", "environment.made.json");
    return install(ours);
  };
  assertRan(record("v1"), 1, /Neither the program nor this file is signed/);
  assertRan(record("v1.sh"), 1, /Neither the program nor this file is signed/);
  assert.deepEqual(world.list(), before);
  assertRan(record("v1", "v1.sh"), 0, /installed/);
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  // Where several keys have signed it, each signature has a file of its own.
  fs.renameSync(
    at("environment.made.json.minisig"),
    at("environment.made.json.0123456789ABCDEF.minisig"),
  );
  sign("other", "environment.made.json");
  assertRan(install(ours), 0, /installed/);
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  // minisign can't tell a key that is revoked.
  assertRan(install(`${ours},!0123456789ABCDEF`), 1, /Nothing here can check a signature/);
  fs.appendFileSync(at("environment.made.json"), " ");
  assertRan(install(ours), 1, /Neither the program nor this file is signed/);
  assert.deepEqual(world.list(), before);
  assertRan(
    world.run(["sh", "/t/v1.sh", "--from", "/t/v1", "--checked"], { env: { OUTRIDER_TRUST: ours } }),
    0,
    /installed/,
  );
  assertRan(world.run(["sh", "/t/v1.sh", "--purge"]), 0, /gone/);
  sign("ours", "v1.sh");
  assertRan(world.run(["sh", "/t/v1.sh", "--from", "/t/v1", "--key", ours]), 0, /installed/);
  // What outrider environment install has taken counts here too.
  const taken = { outriderVersions: 1, taken: { "environment probe": { version: 7, hash: "x" } } };
  fs.writeFileSync(join(world.path, "opt/outrider/taken.json"), JSON.stringify(taken));
  fs.copyFileSync(at("v2.sh"), at("old.sh"));
  const signed = (version: string) => {
    execFileSync("minisign", ["-S", "-W", "-s", at("ours.key"), "-m", at("old.sh"), "-t", version]);
    return world.run(["sh", "/t/old.sh", "--from", "/t/v2", "--key", ours]);
  };
  for (const version of ["timestamp:9", "file:old.sh\tversion:6"]) {
    assertRan(signed(version), 1, /which is older than version 7, which was installed here before: nothing/);
  }
  assertRan(signed("file:old.sh\tversion:7"), 0, /2\.0\.0 is installed/);
  // What is configured is trusted by the next one too.
  fs.appendFileSync(join(world.path, "etc/outrider.env"), `OUTRIDER_TRUST='${ours}'\n`);
  assertRan(
    world.run(["sh", "/t/v2.sh", "--from", "/t/v2"]),
    1,
    /Neither the program nor this file is signed/,
  );
}, ["minisign"]);

withWorld("a user installs for himself alone, without a service", (world) => {
  const before = world.list();
  const result = world.run(["sh", "/t/v1.sh", "--user", "--from", "/t/v1"]);
  assertRan(result, 0, /No service starts it here|It is not started/);
  assertRan(world.run(["/root/.local/bin/outrider", "--version"]), 0, /1\.0\.0/);
  assertRan(world.run(["sh", "/t/v1.sh", "--user", "--purge"]), 0, /gone/);
  assert.deepEqual(world.list(), before);
});
