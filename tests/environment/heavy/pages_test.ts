/**
 * Holds docs/environments.md to itself: takes the commands of each page out of it and carries them out, from nothing to a result
 * at a gateway, as far as that goes without the device. `scp` and `ssh` reach a world in the place of a machine; `GATEWAY` is a
 * gateway of the test's own. What starts the service there is tried in service_test.ts: here it is started by hand.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { startCli, urlOf } from "../../rig.ts";
import { ROOT as SUPERUSER, testWith } from "../../system.ts";
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
    readonly run: (command: string) => string;
    readonly gateway: string;
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
    const run = (command: string): string => {
      const text = command.replaceAll("GATEWAY", url).replace(
        new RegExp(`(OUTRIDER_)${url}`, "g"),
        "$1GATEWAY",
      )
        .replaceAll(/linux-(arm64|x64)/g, TARGET);
      const { status, stdout, stderr } = spawnSync("sh", ["-c", text], {
        cwd: folder,
        encoding: "utf8",
        env: {
          ...process.env,
          PATH: `${bin}:${process.env["PATH"]}`,
          OUTRIDER_TOKEN_FILE: join(folder, "token"),
        },
        timeout: 100_000,
        killSignal: "SIGKILL",
      });
      assert.equal(status, 0, `${text}\n${stdout}${stderr}`);
      return stdout;
    };
    await work({ commands: commandsOf(heading), folder, world, run, gateway: url });
  } finally {
    gateway.kill("SIGTERM");
    await gateway.ended;
    world.remove();
    fs.rmSync(base, { recursive: true, force: true });
  }
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
      withPage(heading, ({ commands, world, run }) => {
        const results = commands.at(-1)!;
        for (const command of commands.slice(0, -1)) run(command);
        startByHand(world);
        assert.match(run(results), /device-check.*succeeded|succeeded.*device-check/);
        assert.equal(fs.statSync(join(world.path, "etc/outrider.env")).mode & 0o777, 0o600);
      }),
  );
}

testWith(
  [SUPERUSER, "busybox", "curl"],
  "pages: A cloud VM: its user data installs what sends a result",
  () =>
    withPage("A cloud VM", ({ commands, folder, world, run }) => {
      for (const command of commands.slice(0, -1)) run(command);
      const data = join(folder, "user-data");
      // The least that a cloud takes.
      assert.ok(fs.statSync(data).size < 16_384, `${fs.statSync(data).size} bytes`);
      const script = spawnSync("gunzip", ["-c", data], { encoding: "utf8" }).stdout;
      assert.match(script, /^#!\/bin\/sh\n/);
      world.put("user-data", script);
      const { code, stdout, stderr } = world.run(["/t/user-data"]);
      assert.equal(code, 0, stdout + stderr);
      startByHand(world);
      assert.match(run(commands.at(-1)!), /succeeded/);
    }),
);

testWith(
  [],
  "pages: A laptop: the executable sends a result",
  () =>
    withPage("A laptop", ({ commands, run }) => {
      for (const command of commands.slice(0, -1)) run(command);
      assert.match(run(commands.at(-1)!), /succeeded/);
    }),
);

testWith([], "pages: no page takes more than five commands, and each says what of it was not tried", () => {
  for (const heading of ["A Raspberry Pi", "A server", "A cloud VM", "A laptop", "An image"]) {
    assert.ok(commandsOf(heading).length > 0);
  }
  assert.match(PAGES, /Not tried/);
});
