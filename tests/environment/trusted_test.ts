/** What is installed or pulled with `OUTRIDER_TRUST`: files here and records of a registry, held to the keys. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { trustedAt } from "../../src/cli/ask/registry.ts";
import { trustedFiles, versionsIn } from "../../src/cli/run/trusted.ts";
import { configuredIn, installedPlace } from "../../src/environment/install/place.ts";
import { MADE_FILE } from "../../src/environment/made.ts";
import { pushMade, recordOf } from "../../src/environment/registry/deliver.ts";
import { manifestOf } from "../../src/environment/registry/pull.ts";
import { signFiles } from "../../src/environment/vouch/signed.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { makeSecretKey, type SecretKey } from "../../src/trust/secret_key.ts";
import { artifact, type Registry, withRegistry } from "../gateway/registry_rig.ts";
import { runCli, withFiles } from "../rig.ts";
import { buildInto, delivery, lineTo } from "./registry_rig.ts";

/** What was built, signed or not. */
async function built(folder: string, key?: SecretKey, version = 1, size = 300): Promise<void> {
  mkdirSync(folder, { recursive: true });
  buildInto(folder, size);
  rmSync(join(folder, `${MADE_FILE}.minisig`));
  if (key) await signFiles(folder, key, version);
}

const sha256Of = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

test("files count if a trusted key has signed the record that names them, or the installer itself", () =>
  withFiles({}, async (folder) => {
    const [ours, other] = [await makeSecretKey(), await makeSecretKey()];
    const at = (...names: string[]) => join(folder, ...names);
    const trusting = { trust: ours.publicKey.text, runtime };
    const refused = (path: string, message: RegExp) =>
      assert.rejects(trustedFiles(path, trusting), (error: Error) => message.test(error.message), path);
    await built(at("signed"), ours, 7);
    const taken = {
      name: "environment probe",
      version: 7,
      hash: sha256Of(at("signed", MADE_FILE)),
    };
    assert.deepEqual(await trustedFiles(at("signed"), trusting), taken);
    assert.deepEqual(await trustedFiles(at("signed", "probe-install.sh"), trusting), taken);
    writeFileSync(at("signed", "more.sh"), "echo more\n");
    await refused(at("signed", "more.sh"), /more\.sh is not in environment\.made\.json, and is not signed/);
    await built(at("unsigned"));
    await refused(at("unsigned"), /is not signed: there is no environment\.made\.json\.minisig beside it/);
    await refused(at("unsigned", "probe-install.sh"), /is not signed/);
    await signFiles(at("unsigned", "probe-install.sh"), ours, 8);
    const hash = sha256Of(at("unsigned", "probe-install.sh"));
    const alone = await trustedFiles(at("unsigned", "probe-install.sh"), trusting);
    assert.deepEqual(alone, { ...taken, version: 8, hash });
    writeFileSync(at("unsigned", "probe-install.sh"), "#!/bin/sh\n#\n");
    await refused(at("unsigned", "probe-install.sh"), /is not what key \w+ has signed/);
    await built(at("foreign"), other);
    await refused(at("foreign"), /is signed by key \w+, which is not trusted here/);
    writeFileSync(at("signed", "probe-linux-arm64"), "changed");
    await refused(at("signed", "probe-install.sh"), /probe-linux-arm64: It has 7 bytes/);
    await assert.rejects(trustedFiles(at("signed"), { trust: "none.pub", runtime }), {
      code: "OUTRIDER_TRUST",
    });
  }));

test("versions are looked at without being kept, and kept in a file that outlives the process", () =>
  withFiles({}, async (folder) => {
    const file = join(folder, "place", "taken.json");
    const older = { name: "environment probe", version: 1, hash: "a" };
    const newer = { ...older, version: 2 };
    const is = /Version 1 of environment probe is older than version 2/;
    await versionsIn(file, runtime).check(newer);
    assert.deepEqual(readdirSync(folder), []);
    await versionsIn(file, runtime).check(older);
    await versionsIn(file, runtime).take(newer);
    await assert.rejects(versionsIn(file, runtime).check(older), is);
    await assert.rejects(versionsIn(file, runtime).check({ ...newer, hash: "b" }), /with other contents/);
    await versionsIn(file, runtime).check(newer);
    const both = versionsIn(file, runtime);
    const taking = both.take({ ...newer, version: 3 });
    await assert.rejects(both.check(newer), /older than version 3/);
    await taking;
  }));

test("where an installer puts things is known here too, and what the configuration there says", () => {
  const env = (name: string) => ({ HOME: "/home/me", XDG_CONFIG_HOME: "/etc/me" })[name];
  const all = { prefix: "/opt/outrider", configuration: "/etc/outrider.env" };
  assert.deepEqual(installedPlace({}, env), all);
  assert.deepEqual(installedPlace({ root: "/mnt/" }, env), {
    prefix: "/mnt/opt/outrider",
    configuration: "/mnt/etc/outrider.env",
  });
  assert.deepEqual(installedPlace({ user: true }, env), {
    prefix: "/home/me/.local/share/outrider",
    configuration: "/etc/me/outrider.env",
  });
  const text = "#A='0'\nA='1'\nAB='2'\nA='a b,c'\nB=\"x\"\nC=y\nD=''\n";
  const values = ["A", "B", "C", "D", "E"].map((name) => configuredIn(text, name));
  assert.deepEqual(values, ["a b,c", "x", "y", undefined, undefined]);
});

/** A registry that other processes reach. */
async function served(registry: Registry, work: (url: string) => Promise<void>): Promise<void> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const got = await registry.app.request(`http://127.0.0.1:9${request.url}`, {
      method: request.method!,
      headers: { accept: request.headers.accept ?? "*/*" },
    });
    response.writeHead(got.status, Object.fromEntries(got.headers)).end(Buffer.from(await got.arrayBuffer()));
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

test("pull and install with OUTRIDER_TRUST take from a registry what a trusted key has signed, and write nothing else", () =>
  withRegistry((registry) =>
    withFiles({}, async (folder) => {
      const [ours, other] = [await makeSecretKey(), await makeSecretKey()];
      const push = async (tag: string, key?: SecretKey) => {
        await built(join(folder, tag), key, 3, 300 + tag.length);
        await pushMade(delivery(lineTo(registry), join(folder, tag)), [tag]);
      };
      const line = lineTo(registry);
      const again = async (tag: string, key: SecretKey, version: number) => {
        await signFiles(join(folder, tag), key, version);
        await pushMade(delivery(line, join(folder, tag)), [tag]);
      };
      const at = async (tag: string) => {
        const found = (await manifestOf(line, "probe", tag))!;
        const { text } = (await recordOf({ line, repository: "probe" }, found))!;
        return await trustedAt({ line, repository: "probe" }, { found, text }, {
          trust: ours.publicKey.text,
          runtime,
        });
      };
      await push("unsigned");
      await assert.rejects(
        at("unsigned"),
        /The environment probe is not signed, and OUTRIDER_TRUST asks for it/,
      );
      const env = { HOME: folder, OUTRIDER_TRUST: ours.publicKey.text, OUTRIDER_TOKEN: "" };
      await served(registry, async (url) => {
        const run = (...args: string[]) =>
          runCli(["environment", ...args, "--gateway", url], { cwd: folder, env });
        const pulled = await run("pull", "probe:unsigned", "-o", "out");
        assert.deepEqual([pulled.code, /is not signed/.test(pulled.stderr)], [2, true], pulled.stderr);
        const installed = await run("install", "probe:unsigned", "--user");
        assert.deepEqual(
          [installed.code, /is not signed/.test(installed.stderr)],
          [2, true],
          installed.stderr,
        );
        await registry.blob("layer", "probe");
        assert.equal((await registry.manifest("theirs", artifact(["layer"]), "probe")).status, 201);
        const theirs = await run("pull", "probe:theirs", "-o", "out");
        assert.deepEqual(
          [theirs.code, /is an image of others/.test(theirs.stderr)],
          [2, true],
          theirs.stderr,
        );
        assert.ok(!readdirSync(folder).includes("out"));
        await push("other", other);
        await assert.rejects(at("other"), /is signed by key \w+, which is not trusted here/);
        await push("signed", ours);
        assert.equal((await at("signed")).version, 3);
        // The same record signed anew, and by somebody else: the newest counts of those by a trusted key.
        for (const [key, version] of [[ours, 5], [other, 9], [ours, 4]] as const) {
          await again("signed", key, version);
        }
        assert.equal((await at("signed")).version, 5);
        await again("other", ours, 4);
        assert.equal((await at("other")).version, 4);
        const good = await run("pull", "probe:signed", "-o", "out");
        assert.deepEqual([good.code, good.stderr.includes("rror")], [0, false], good.stderr);
        assert.ok(readdirSync(join(folder, "out")).includes(MADE_FILE));
      });
    })
  ));
