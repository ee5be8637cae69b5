/**
 * Holds docs/environments.md to itself: takes the commands of each page out of it and carries them out, from nothing to a result
 * at a gateway, as far as that goes without the device. `scp` and `ssh` reach a world in the place of a machine; `GATEWAY` is a
 * gateway of the test's own. What starts the service there is tried in service_test.ts: here it is started by hand.
 */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { startCli, urlOf } from "../../rig.ts";
import { CACHE } from "../../../tools/compile.ts";
import { leaveOut, programPath, ROOT as SUPERUSER, testWith } from "../../system.ts";
import { serveApt } from "./apt_mirror.ts";
import { TARGET, World } from "./installer_rig.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PAGES = fs.readFileSync(join(ROOT, "docs/environments.md"), "utf8");
const MOST_COMMANDS = 5;
const TOKEN = "a-token-of-a-test-1234";

/** The commands of the page with this heading. */
function commandsOf(heading: string): string[] {
  const page = PAGES.split(/^##+ /m).find((each) => each.startsWith(heading));
  const block = /^```sh\n([\s\S]*?)^```/m.exec(page ?? "")?.[1];
  assert.ok(block !== undefined, `there is no page ${heading} with commands`);
  const commands = block.replaceAll("\\\n", " ").trim().split("\n");
  assert.ok(commands.length <= MOST_COMMANDS, `${heading} has ${commands.length} commands`);
  return commands;
}

/** A folder called probe with a pipeline and a token, programs that stand for what is far, and a gateway. */
async function withPage(
  heading: string,
  work: (page: {
    readonly commands: readonly string[];
    readonly folder: string;
    readonly world: World;
    /** Carries out a command of the page. @returns What it wrote. */
    readonly run: (command: string, env?: Readonly<Record<string, string>>) => Promise<string>;
    readonly gateway: string;
    /** A folder with programs that come before the system's. */
    readonly bin: string;
  }) => Promise<void> | void,
): Promise<void> {
  const [base, world] = [fs.mkdtempSync(join(tmpdir(), "outrider-page-")), new World()];
  const [folder, bin] = [join(base, "probe"), join(base, "bin")];
  for (const each of [folder, bin]) fs.mkdirSync(each);
  fs.writeFileSync(
    join(folder, "pipeline.json"),
    '{"outrider": 1, "name": "device-check", "tasks": {"one": {}}}',
  );
  fs.writeFileSync(join(folder, "token"), `${TOKEN}\n`);
  const script = (name: string, text: string) =>
    fs.writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  script("outrider", `exec '${process.execPath}' '${join(ROOT, "src/cli/main.ts")}' "$@"`);
  script(
    "scp",
    `for last; do :; done; while [ $# -gt 1 ]; do cp "$1" '${join(world.path, "t")}/'; shift; done`,
  );
  script("sudo", 'exec "$@"');
  fs.copyFileSync(join(bin, "sudo"), join(world.path, "local/bin/sudo"));
  const inside =
    "mount --rbind /usr usr && mount --bind local usr/local && mount -t proc proc proc && mount --rbind /dev dev";
  script(
    "ssh",
    `shift; exec env -i PATH="$PATH" HOME=/root unshare --mount --pid --fork --kill-child sh -c 'cd "$0" && ${inside} && exec chroot . sh -c "cd /t; $1"' '${world.path}' "$*"`,
  );
  const gateway = startCli([
    "gateway",
    "--port",
    "0",
    "--db",
    join(base, "gateway.db"),
    "--token-file",
    join(folder, "token"),
  ]);
  try {
    const url = await urlOf(gateway);
    const run = (command: string, env: Readonly<Record<string, string>> = {}): Promise<string> => {
      const text = command.replaceAll("GATEWAY", url).replace(
        new RegExp(`(OUTRIDER_)${url}`, "g"),
        "$1GATEWAY",
      )
        .replaceAll(/linux-(arm64|x64)/g, TARGET);
      const options = {
        cwd: folder,
        env: {
          ...process.env,
          PATH: `${bin}:${process.env["PATH"]}`,
          OUTRIDER_TOKEN_FILE: join(folder, "token"),
          ...env,
        },
        timeout: 200_000,
        killSignal: "SIGKILL",
      } as const;
      return new Promise((said, failed) =>
        execFile("sh", ["-c", text], options, (error, stdout, stderr) => {
          if (error === null) said(stdout);
          else failed(new Error(`${text}\n${stdout}${stderr}`, { cause: error }));
        })
      );
    };
    await work({ commands: commandsOf(heading), folder, world, run, gateway: url, bin });
  } finally {
    gateway.kill("SIGTERM");
    await gateway.ended;
    world.remove();
    fs.rmSync(base, { recursive: true, force: true });
  }
}

/** Debian's registry on this machine. @returns Where it is, and what ends it. */
async function startRegistry(folder: string): Promise<[host: string, stop: () => Promise<void>]> {
  const port = await new Promise<number>((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => found(port));
    });
  });
  const file = join(folder, "registry.yml");
  fs.writeFileSync(
    file,
    `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/images\nhttp:\n  addr: 127.0.0.1:${port}\n`,
  );
  const registry = spawn(programPath("docker-registry")!, ["serve", file], { stdio: "ignore" });
  let ended = false;
  const gone = new Promise<void>((over) => registry.on("close", () => over(void (ended = true))));
  while (!await fetch(`http://127.0.0.1:${port}/v2/`).then(({ ok }) => ok, () => false)) {
    assert.ok(!ended, "the registry has ended before it answered");
    await new Promise((next) => setTimeout(next, 50));
  }
  return [`127.0.0.1:${port}`, async () => {
    registry.kill();
    await gone;
  }];
}

/** Starts by hand what a service would, and waits for its run to be over. */
function startByHand(world: World): void {
  const start = ". /etc/outrider.env; exec /opt/outrider/current/outrider agent";
  const { code, stderr } = world.run([
    "sh",
    "-c",
    `set -a; OUTRIDER_ENVIRONMENT=/opt/outrider/current/environment.json; ${start}`,
  ]);
  assert.equal(code, 0, stderr);
}

for (const heading of ["A Raspberry Pi", "A server"]) {
  testWith(
    [SUPERUSER, "busybox", "curl"],
    `pages: ${heading}: from nothing to a result in five commands`,
    () =>
      withPage(heading, async ({ commands, world, run }) => {
        const results = commands.at(-1)!;
        for (const command of commands.slice(0, -1)) await run(command);
        startByHand(world);
        assert.match(await run(results), /device-check.*succeeded|succeeded.*device-check/);
        assert.equal(fs.statSync(join(world.path, "etc/outrider.env")).mode & 0o777, 0o600);
      }),
  );
}

testWith(
  [SUPERUSER, "busybox", "curl"],
  "pages: A cloud VM: its user data installs what sends a result",
  () =>
    withPage("A cloud VM", async ({ commands, folder, world, run }) => {
      for (const command of commands.slice(0, -1)) await run(command);
      const data = join(folder, "user-data");
      // The least that a cloud takes.
      assert.ok(fs.statSync(data).size < 16_384, `${fs.statSync(data).size} bytes`);
      const script = spawnSync("gunzip", ["-c", data], { encoding: "utf8" }).stdout;
      assert.match(script, /^#!\/bin\/sh\n/);
      world.put("user-data", script);
      const { code, stdout, stderr } = world.run(["/t/user-data"]);
      assert.equal(code, 0, stdout + stderr);
      startByHand(world);
      assert.match(await run(commands.at(-1)!), /succeeded/);
    }),
);

testWith(
  [],
  "pages: A laptop: the executable sends a result",
  () =>
    withPage("A laptop", async ({ commands, run }) => {
      for (const command of commands.slice(0, -1)) await run(command);
      assert.match(await run(commands.at(-1)!), /succeeded/);
    }),
);

/** How Podman runs a container on this machine, if it does: a container's own world lets it do less than a machine's. */
function podmanHere(folder: string): readonly string[] | undefined {
  const conf = join(folder, "containers.conf");
  fs.writeFileSync(conf, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
  process.env["CONTAINERS_CONF"] = conf;
  const engine = [
    "--root",
    join(folder, "store"),
    "--runroot",
    join(folder, "run"),
    "--storage-driver",
    "vfs",
  ];
  const podman = programPath("podman")!;
  const own = [...engine, "--cgroup-manager", "cgroupfs"];
  const pulled = spawnSync(podman, [...own, "pull", "oci:out/probe.oci"], { cwd: folder, encoding: "utf8" });
  assert.equal(pulled.status, 0, pulled.stderr);
  return [["--runtime", "runc"], ["--runtime", "crun"]].map((runtime) => [...own, ...runtime]).find((each) =>
    spawnSync(podman, [...each, "run", "--rm", "--network", "host", pulled.stdout.trim(), "--version"])
      .status === 0
  );
}

testWith(
  ["podman", "catatonit", "skopeo", "docker-registry"],
  "pages: An image: pushed to a registry, run by Podman read-only and without rights, it sends a result",
  () =>
    withPage("An image", async ({ commands, folder, run, bin, gateway }) => {
      const mirror = await serveApt(["ca-certificates", "libc6"]);
      const [host, stop] = await startRegistry(folder);
      const cache = join(folder, "cache");
      fs.mkdirSync(cache);
      fs.symlinkSync(CACHE, join(cache, "outrider"));
      const text = (command: string) =>
        command.replaceAll("https://GATEWAY", gateway).replaceAll("REGISTRY", host);
      const env = { OUTRIDER_DEBIAN_MIRROR: mirror.url, XDG_CACHE_HOME: cache, OUTRIDER_TOKEN: TOKEN };
      let engine: readonly string[] | undefined;
      try {
        const [init, build, copy, start, results] = commands.map(text) as [
          string,
          string,
          string,
          string,
          string,
        ];
        await run(init);
        // One platform of the two: the other takes as long, and is tried in oci_test.ts.
        const file = join(folder, "environment.json");
        const environment = JSON.parse(fs.readFileSync(file, "utf8"));
        fs.writeFileSync(file, JSON.stringify({ ...environment, targets: [TARGET] }));
        await run(build, env);
        const plain = (name: string, line: string) =>
          fs.writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
        // A registry of this machine, without TLS.
        plain("skopeo", `shift; exec '${programPath("skopeo")}' copy --dest-tls-verify=false "$@"`);
        await run(copy, env);
        engine = podmanHere(folder);
        if (engine === undefined) {
          return leaveOut("pages: An image: Podman", ["container that Podman may start"]);
        }
        plain(
          "docker",
          `shift; exec '${programPath("podman")}' ${
            engine.map((each) => `'${each}'`).join(" ")
          } run --network host --tls-verify=false "$@"`,
        );
        await run(start, env);
        assert.match(await run(results), /device-check.*succeeded|succeeded.*device-check/);
      } finally {
        if (engine) spawnSync(programPath("podman")!, [...engine, "system", "reset", "--force"]);
        await stop();
        await mirror.close();
      }
    }),
);

testWith([], "pages: no page takes more than five commands, and each says what of it was not tried", () => {
  for (const heading of ["A Raspberry Pi", "A server", "A cloud VM", "A laptop", "An image"]) {
    assert.ok(commandsOf(heading).length > 0);
  }
  assert.match(PAGES, /Not tried/);
});
