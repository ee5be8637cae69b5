/** The registry and its client with programs of others: stock skopeo against the gateway, Debian's registry against us. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { runCli, startCli, urlOf, withFiles } from "../../rig.ts";
import { programPath, testWith } from "../../system.ts";
import { buildInto } from "../registry_rig.ts";

const run = promisify(execFile);
const TOKEN = "the-gateways-token";

/** A port that is free. */
function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => found(port));
    });
  });
}

/** A gateway with a token, in a folder. */
async function withGateway(work: (url: string, cwd: string) => Promise<void>): Promise<void> {
  await withFiles({}, async (cwd) => {
    const gateway = startCli(["gateway", "--port", "0", "--db", "g.db"], {
      cwd,
      env: { OUTRIDER_GATEWAY_TOKEN: TOKEN },
    });
    try {
      await work(await urlOf(gateway), cwd);
    } finally {
      gateway.kill("SIGTERM");
      await gateway.ended;
    }
  });
}

function outrider(args: readonly string[], { cwd, url }: { readonly cwd: string; readonly url: string }) {
  const env = { OUTRIDER_GATEWAY: url, OUTRIDER_TOKEN: TOKEN, DOCKER_CONFIG: cwd };
  return runCli(["environment", ...args], { cwd, env });
}

testWith(
  ["skopeo"],
  "stock programs: skopeo copies images to and from the gateway, and finds ours",
  () =>
    withGateway(async (url, cwd) => {
      mkdirSync(join(cwd, "out"));
      buildInto(join(cwd, "out"));
      const pushed = await outrider(["push", "out", "probe", "--json"], { cwd, url });
      assert.equal(pushed.code, 0, pushed.stderr);
      const host = url.replace("http://", "docker://");
      const skopeo = (...args: string[]) => run(programPath("skopeo")!, args, { cwd });
      const to = ["--dest-tls-verify=false", "--dest-creds", `x:${TOKEN}`];
      const from = ["--src-tls-verify=false", "--src-creds", `x:${TOKEN}`];
      const { stdout } = await skopeo(
        "inspect",
        "--tls-verify=false",
        "--creds",
        `x:${TOKEN}`,
        "--raw",
        `${host}/probe:1.2.0`,
      );
      assert.equal(JSON.parse(stdout).manifests[0].platform.architecture, "amd64");
      await skopeo("copy", ...from, ...to, `${host}/probe:latest`, `${host}/copied:1`);
      const tags = await skopeo("list-tags", "--tls-verify=false", "--creds", `x:${TOKEN}`, `${host}/copied`);
      assert.deepEqual(JSON.parse(tags.stdout).Tags, ["1"]);
      await assert.rejects(
        skopeo(
          "copy",
          ...from,
          ...to.slice(0, 1),
          "--dest-creds",
          "x:other",
          `${host}/probe:latest`,
          `${host}/copied:2`,
        ),
      );
      const pulled = await outrider(["pull", "copied:1", "-o", "image"], { cwd, url });
      assert.equal(pulled.code, 0, pulled.stderr);
      await skopeo("inspect", "--raw", "oci:image");
    }),
);

testWith(
  ["docker-registry"],
  "stock programs: Debian's registry takes what was built, and gives it back",
  () =>
    withFiles({}, async (cwd) => {
      const port = await freePort();
      writeFileSync(
        join(cwd, "config.yml"),
        `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${cwd}/store\nhttp:\n  addr: 127.0.0.1:${port}\n`,
      );
      const registry = spawn(programPath("docker-registry")!, ["serve", join(cwd, "config.yml")], {
        stdio: "ignore",
      });
      const gone = new Promise<void>((over) => registry.on("close", () => over()));
      try {
        const url = `http://127.0.0.1:${port}`;
        while (!await fetch(`${url}/v2/`).then(({ ok }) => ok, () => false)) {
          await new Promise((next) => setTimeout(next, 50));
        }
        mkdirSync(join(cwd, "out"));
        // More than one piece of an upload.
        buildInto(join(cwd, "out"), 9_000_000);
        const pushed = await outrider(["push", "out", `127.0.0.1:${port}/lab/probe`], { cwd, url });
        assert.equal(pushed.code, 0, pushed.stderr);
        const pulled = await outrider(["pull", `127.0.0.1:${port}/lab/probe:1.2.0`, "-o", "back"], {
          cwd,
          url,
        });
        assert.equal(pulled.code, 0, pulled.stderr);
        for (const name of ["probe-linux-arm64", "environment.made.json", "environment.made.json.minisig"]) {
          assert.deepEqual(readFileSync(join(cwd, "back", name)), readFileSync(join(cwd, "out", name)));
        }
        const listed = await outrider(["list", `127.0.0.1:${port}/lab/probe`, "--json"], { cwd, url });
        assert.ok(JSON.parse(listed.stdout)[0].tags.includes("1.2.0"), listed.stdout);
      } finally {
        registry.kill("SIGKILL");
        await gone;
      }
    }),
);

test("stock programs: what the gateway keeps is listed, and told to a device by its digest", () =>
  withGateway(async (url, cwd) => {
    mkdirSync(join(cwd, "out"));
    buildInto(join(cwd, "out"), 1000);
    assert.equal((await outrider(["push", "out", "probe"], { cwd, url })).code, 0);
    const listed = await outrider(["list"], { cwd, url });
    assert.match(listed.stdout, /probe +1\.2\.0 latest/);
    const deployed = await outrider(["deploy", "pi-7", "probe:1.2.0"], { cwd, url });
    assert.match(deployed.stdout, /pi-7 is to be of probe@sha256:[0-9a-f]{64}/, deployed.stderr);
    const none = await outrider(["deploy", "pi-7", "other"], { cwd, url });
    assert.deepEqual([none.code, /is no environment at/.test(none.stderr)], [2, true]);
  }));
