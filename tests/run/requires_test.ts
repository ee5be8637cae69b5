/** What a run looks for before anything runs: what is missing is told at once, and nothing has run. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { Requires } from "../../src/pipeline/document/manifest.ts";
import { PipelineError } from "../../src/model/problem.ts";
import type { RunnerPort } from "../../src/pool/kinds/runner.ts";
import { requirementOf, takes } from "../../src/run/requires/python_versions.ts";
import { lookFor } from "../../src/run/requires/requires.ts";
import { runnerPort } from "../../src/run/programs.ts";
import { inspectedRun } from "../../src/run/run.ts";
import { realWorld } from "../../src/run/world.ts";
import { findProgram, isDevice } from "../../src/runtime/machine.ts";
import { runCli, withFiles } from "../rig.ts";
import { testWith } from "../system.ts";

const MIB = 1024 ** 2;

/** A machine that is made up. */
function machine(
  { files = {}, programs = [], devices = [], memory = 1024 * MIB }: {
    readonly files?: Readonly<Record<string, string>>;
    readonly programs?: readonly string[];
    readonly devices?: readonly string[];
    readonly memory?: number;
  },
): RunnerPort {
  const runtime = {
    ...realWorld.runtime,
    env: (name: string) => name === "PATH" ? "/a:/b" : undefined,
    readText: (path: string) =>
      path in files ? Promise.resolve(files[path]!) : Promise.reject(new Error("ENOENT")),
    list: (folder: string) =>
      Promise.resolve(
        Object.keys(files).filter((path) => path.startsWith(`${folder}/`)).map((path) =>
          path.slice(folder.length + 1)
        ),
      ),
    findProgram: (name: string) => Promise.resolve(programs.includes(name) ? `/a/${name}` : undefined),
    isDevice: (path: string) => Promise.resolve(devices.includes(path)),
    memoryAllowed: () => memory,
  };
  return runnerPort({ run: "r", runtime, clock: realWorld.clock, note() {} });
}

async function missing(port: RunnerPort, ...all: readonly Requires[]): Promise<string[]> {
  const places = all.map((requires, at) => ({ place: `tasks.t${at}.requires`, requires }));
  const { problems, warnings } = await lookFor(places, port);
  return [
    ...problems.map(({ place, message }) => `${place}: ${message}`),
    ...warnings.map(({ place, message }) => `(${place}: ${message})`),
  ];
}

/** CAP_NET_RAW is bit 13. */
const STATUS = { "/proc/self/status": "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t0000000000002000\n" };

test("what is there is not told", async () => {
  const port = machine({
    files: STATUS,
    programs: ["ping", "/usr/sbin/tcpdump"],
    devices: ["/dev/net/tun"],
    memory: 512 * MIB,
  });
  assert.deepEqual(
    await missing(port, {
      commands: ["ping", "/usr/sbin/tcpdump"],
      capabilities: ["NET_RAW"],
      devices: ["/dev/net/tun"],
      memory: "512MiB",
    }, {}),
    [],
  );
});

test("all that is missing is told at once, each thing once, with what to do", async () => {
  const requires: Requires = {
    commands: ["ping", "/usr/sbin/tcpdump"],
    capabilities: ["NET_RAW", "NET_ADMIN"],
    devices: ["/dev/net/tun"],
    memory: "513MiB",
  };
  const port = machine({ files: STATUS, memory: 512 * MIB });
  assert.deepEqual(await missing(port, { commands: ["other"] }, requires, requires), [
    "tasks.t0.requires.commands[0]: There is no program other in PATH (/a:/b): install it, or add its folder to PATH",
    "tasks.t1.requires.commands[0]: There is no program ping in PATH (/a:/b): install it, or add its folder to PATH (and 1 more require it)",
    "tasks.t1.requires.commands[1]: There is no /usr/sbin/tcpdump that this user may run: install it, or correct its path (and 1 more require it)",
    "tasks.t1.requires.capabilities[1]: This process does not have it: grant it by AmbientCapabilities=CAP_NET_ADMIN in a unit, or by --cap-add NET_ADMIN for a container (and 1 more require it)",
    "tasks.t1.requires.devices[0]: There is no device /dev/net/tun: connect it, or hand it to the container by --device /dev/net/tun (and 1 more require it)",
    "tasks.t1.requires.memory: There are 512MiB in all, less than 513MiB: raise the container's limit, or take a larger device (and 1 more require it)",
  ]);
});

test("where the system has no capabilities or no list of packages, that is said, and refuses nothing", async () => {
  const said = await missing(machine({}), {
    capabilities: ["NET_RAW", "CHOWN"],
    packages: { debian: ["tcpdump"] },
  });
  assert.deepEqual(said, [
    "(tasks.t0.requires.packages.debian[0]: Can't tell whether it is there: this system keeps no list of Debian's packages)",
    "(tasks.t0.requires.capabilities[0]: Can't tell whether it is there: only Linux has capabilities, and says which there are)",
  ]);
});

test("Debian's packages are those that are installed, what they provide, and those of images without dpkg", async () => {
  const dpkg = [
    "Package: tcpdump\nStatus: install ok installed\nVersion: 4.99",
    "Package: gone\nStatus: deinstall ok config-files",
    "Package: netcat-openbsd\nStatus: install ok installed\nProvides: netcat, nc (= 1),\n more\nDescription: x\n Package: liar",
  ].join("\n\n");
  const files = {
    "/var/lib/dpkg/status": dpkg,
    "/var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2",
  };
  const debian = ["tcpdump", "gone", "netcat", "nc", "libc6", "liar"];
  assert.deepEqual(await missing(machine({ files }), { packages: { debian } }), [
    "tasks.t0.requires.packages.debian[1]: It is not installed: apt install gone",
    "tasks.t0.requires.packages.debian[5]: It is not installed: apt install liar",
  ]);
});

test("memory is what the machine and its container allow", async () => {
  const port = machine({ memory: 300 * MIB });
  assert.deepEqual(await missing(port, { memory: "300MiB" }), []);
  const [said] = await missing(port, { memory: "301MiB" });
  assert.match(said!, /There are 300MiB in all/);
});

test("versions of Python packages are compared as PEP 440 says", () => {
  const order =
    "1.0.dev1 1.0a1.dev1 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0.post1.dev1 1.0.post1 1.0.1 1.1 1.10 2 1!0.1";
  const versions = order.split(" ");
  for (const [a, low] of versions.entries()) {
    for (const [b, high] of versions.entries()) {
      assert.equal(takes([`>=${low}`], high), b >= a, `${high} >= ${low}`);
      assert.equal(takes([`<=${low}`], high), b <= a, `${high} <= ${low}`);
      assert.equal(takes([`==${low}`], high), b === a, `${high} == ${low}`);
      assert.equal(takes([`!=${low}`], high), b !== a, `${high} != ${low}`);
    }
  }
  const cases: readonly [string, string, boolean][] = [
    ["==1.0", "1", true],
    ["==1.1.*", "1.1.7", true],
    ["==1.1.*", "1.10", false],
    ["!=1.1.*", "1.1a1", false],
    ["~=2.2", "2.9.1", true],
    ["~=2.2", "3.0", false],
    ["~=2.2.0", "2.3", false],
    ["~=2.2", "2.1", false],
    [">1.7", "1.7.post1", false],
    [">1.7", "1.7.1", true],
    [">1.7.post1", "1.7.post2", true],
    ["<1.7", "1.7rc1", false],
    ["<1.7", "1.7.dev1", false],
    ["<1.7rc2", "1.7rc1", true],
    ["<1.7", "1.6rc1", true],
    ["==1.0", "1.0+local.7", true],
    [">=1", "v1.0-1", true],
    [">=1.0.c1", "1.0RC2", true],
    [">=1", "no version", false],
  ];
  for (const [clause, version, expected] of cases) {
    assert.equal(takes([clause], version), expected, `${version} ${clause}`);
  }
  assert.equal(takes([], "anything"), true);
  assert.equal(takes([">=1", "<2"], "2"), false);
  assert.deepEqual(requirementOf("Ruamel.YAML_x[a,b]>=0.1,<2"), {
    name: "ruamel-yaml-x",
    clauses: [">=0.1", "<2"],
  });
});

testWith(
  ["python3"],
  "Python packages are read of the interpreter's disk, and nothing of them is run",
  () =>
    withFiles({}, async (folder) => {
      const site = join(folder, "site");
      mkdirSync(join(site, "Found_Me-2.5.dist-info"), { recursive: true });
      writeFileSync(
        join(site, "Found_Me-2.5.dist-info/METADATA"),
        "Metadata-Version: 2.1\nName: Found_Me\nVersion: 2.5\n",
      );
      writeFileSync(join(site, "found_me.py"), "raise SystemExit('it was imported')\n");
      const port: RunnerPort = {
        ...runnerPort({ run: "r", runtime: realWorld.runtime, clock: realWorld.clock, note() {} }),
      };
      const withSite = { ...port, environment: () => ({ ...port.environment(), PYTHONPATH: site }) };
      const said = await missing(withSite, {
        python: ["found.me>=2,<3", "found-me>=3", "no-such-package-of-ours"],
      });
      assert.equal(said.length, 2);
      assert.match(
        said[0]!,
        /python\[1\]: \S*python\S* \(Python 3\.\S+\) has found-me 2\.5: \S+ -m pip install "found-me>=3"/,
      );
      assert.match(said[1]!, /python\[2\]: .* has no no-such-package-of-ours: /);
    }),
);

test("a program is a file that may be run, in a folder of PATH; a device is one", () =>
  withFiles({ there: "#!/bin/sh\n", text: "x" }, async (bin) => {
    mkdirSync(join(bin, "folder"));
    chmodSync(join(bin, "there"), 0o755);
    const path = `${join(bin, "none")}:${bin}`;
    assert.equal(await findProgram("there", { path }), join(bin, "there"));
    assert.equal(await findProgram(join(bin, "there"), { path: "" }), join(bin, "there"));
    for (const name of ["text", "folder", "nothing", join(bin, "text"), join(bin, "folder")]) {
      assert.equal(await findProgram(name, { path }), undefined, name);
    }
    assert.equal(await isDevice("/dev/null"), true);
    assert.equal(await isDevice(bin), false);
    assert.equal(await isDevice("/dev/no-such-device"), false);
  }));

const DOCUMENT = {
  outrider: 1,
  name: "needy",
  tasks: {
    first: { run: { command: ["sh", "-c", "exit 0"] }, requires: { commands: ["sh"] } },
    ping: { requires: { commands: ["no-such-program-of-ours"], devices: ["/dev/no-such-device"] } },
  },
};

test("a run whose requirements are not met has run nothing, and says what is missing", async () => {
  const run = inspectedRun(DOCUMENT, {
    requires: { place: "environment.requires", requires: { memory: "9999999GiB" } },
  });
  await assert.rejects(Promise.resolve(run), (error) => {
    assert.ok(error instanceof PipelineError);
    assert.deepEqual(error.problems.map(({ place }) => place), [
      "tasks.ping.requires.commands[0]",
      "tasks.ping.requires.devices[0]",
      "environment.requires.memory",
    ]);
    return true;
  });
  assert.equal(run.plan, undefined);
  assert.deepEqual(run.journal.states(0, 10), []);
});

test("a run whose requirements are met runs", async () => {
  const { first } = DOCUMENT.tasks;
  const { state } = await inspectedRun({ ...DOCUMENT, tasks: { first } }, {
    requires: { place: "environment.requires", requires: { devices: ["/dev/null"] } },
  });
  assert.equal(state, "succeeded");
});

test("outrider run ends with 2 and all that is missing", () =>
  withFiles({ "p.json": DOCUMENT }, async (cwd) => {
    const { code, stderr } = await runCli(["run", "p.json"], { cwd });
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      /2 problems, nothing has run\n.*tasks\.ping\.requires\.commands\[0\]: There is no program/,
    );
    assert.match(stderr, /tasks\.ping\.requires\.devices\[0\]: There is no device/);
  }));
