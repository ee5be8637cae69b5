/** What is taken of all that refers to an environment in a registry, where many have signed it, and strangers have added to it. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { judgeOf, trustedRecord } from "../../src/cli/run/trusted.ts";
import { MADE_FILE, readMade } from "../../src/environment/made.ts";
import { SIGNATURE_NOTE, SIGNATURE_TYPE } from "../../src/environment/registry/artifacts.ts";
import { pullMade, pushMade, recordOf } from "../../src/environment/registry/deliver.ts";
import { manifestOf } from "../../src/environment/registry/pull.ts";
import { recordSignatures } from "../../src/environment/registry/vouchers.ts";
import { SBOM_FILE, sbomText } from "../../src/environment/vouch/sbom.ts";
import { signFiles, verifyFiles } from "../../src/environment/vouch/signed.ts";
import { TITLE } from "../../src/model/oci.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { makeSecretKey, type SecretKey } from "../../src/trust/secret_key.ts";
import { artifact, codesOf, digestOf, type Registry, withRegistry } from "../gateway/registry_rig.ts";
import { withFiles } from "../rig.ts";
import { buildInto, delivery, lineTo } from "./registry_rig.ts";

/** What was built, without a signature. */
async function built(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  buildInto(folder, 300);
  rmSync(join(folder, `${MADE_FILE}.minisig`));
  rmSync(join(folder, "probe.cdx.json"));
  const record = readMade(readFileSync(join(folder, MADE_FILE), "utf8"), MADE_FILE);
  writeFileSync(join(folder, SBOM_FILE), await sbomText(record));
}

/** Pushes what each of the keys has signed. @returns The digest. */
async function pushedBy(
  registry: Registry,
  from: string,
  signers: readonly (readonly [key: SecretKey, version: number])[],
) {
  const line = lineTo(registry);
  for (const [key, version] of signers) {
    await signFiles(from, key, version);
    await pushMade(delivery(line, from), ["1"]);
  }
  return (await manifestOf(line, "probe", "1"))!.descriptor;
}

/** Pulls it, as who trusts the keys, or nobody in particular. @returns Names of what came beside the files. */
async function pulled(registry: Registry, to: string, keys: readonly SecretKey[] = []) {
  const line = lineTo(registry);
  const found = (await manifestOf(line, "probe", "1"))!;
  const made = (await recordOf({ line, repository: "probe" }, found))!;
  const trust = keys.map(({ publicKey: { text } }) => text).join(",");
  const judge = trust === "" ? undefined : await judgeOf({ trust, runtime });
  await pullMade(delivery(line, to), found, { ...made, judge });
  return readdirSync(to).filter((name) => name.startsWith("environment.") && name !== MADE_FILE).sort();
}

test("pull writes a signature for each key that has signed the record, by its newest version, and push takes all on", () =>
  withRegistry((registry) =>
    withFiles({}, async (folder) => {
      const at = (name: string) => join(folder, name);
      const [ours, next, theirs] = [await makeSecretKey(), await makeSecretKey(), await makeSecretKey()];
      await built(at("from"));
      await pushedBy(registry, at("from"), [[ours, 5], [next, 7], [ours, 6], [theirs, 1]]);
      const second = `.${ours.publicKey.id}.minisig`;
      const third = `.${theirs.publicKey.id}.minisig`;
      const signed = (...endings: string[]) =>
        [SBOM_FILE, ...[SBOM_FILE, MADE_FILE].flatMap((name) => endings.map((each) => `${name}${each}`))]
          .sort();
      assert.deepEqual(await pulled(registry, at("all")), signed(".minisig", second, third));
      const versions = async (path: string) =>
        await Promise.all(
          [ours, next, theirs].map(async ({ publicKey }) => (await verifyFiles(path, [publicKey])).version),
        );
      assert.deepEqual(await versions(at("all")), [6, 7, 1]);
      assert.equal((await verifyFiles(at("all"), [ours.publicKey, next.publicKey])).version, 7);
      assert.deepEqual(await pulled(registry, at("ours"), [ours]), signed(".minisig"));
      assert.equal((await verifyFiles(at("ours"), [ours.publicKey])).version, 6);
      await withRegistry(async (other) => {
        await pushMade(delivery(lineTo(other), at("all")), ["1"]);
        await pulled(other, at("again"));
        assert.deepEqual(await versions(at("again")), [6, 7, 1]);
      });
      // What is pulled later has no signature of what was there before.
      assert.deepEqual(await pulled(registry, at("all"), [next]), signed(".minisig"));
      await assert.rejects(verifyFiles(at("all"), [ours.publicKey]), /which is not trusted here/);
    })
  ));

test("what strangers add hides no signature that counts, and is not taken for what vouches", () =>
  withRegistry((registry) =>
    withFiles({}, async (folder) => {
      const [ours, other] = [await makeSecretKey(), await makeSecretKey()];
      const from = join(folder, "from");
      await built(from);
      const subject = await pushedBy(registry, from, [[ours, 5]]);
      const text = readFileSync(join(from, MADE_FILE), "utf8");
      const genuine = readFileSync(join(from, `${MADE_FILE}.minisig`), "utf8");
      const add = async (artifactType: string, n: number, note?: string) => {
        const content = `of a stranger ${n}`;
        await registry.blob(content, "probe");
        const layer = { mediaType: "text/plain", digest: digestOf(content), size: content.length };
        const made = artifact([], {
          artifactType,
          subject,
          layers: [`${MADE_FILE}.minisig`, SBOM_FILE, `${SBOM_FILE}.minisig`].map((title) => ({
            ...layer,
            annotations: { [TITLE]: title },
          })),
          annotations: { n: `${n}`, ...(note !== undefined && { [SIGNATURE_NOTE]: note }) },
        });
        const put = await registry.manifest(digestOf(JSON.stringify(made)), made, "probe");
        assert.equal(put.status, 201, await put.text());
      };
      // What is not there, or larger than a signature can be.
      const large = "x".repeat(17 * 1024 * 1024);
      await registry.blob(large, "probe");
      for (
        const [type, title] of [
          [SIGNATURE_TYPE, `${MADE_FILE}.minisig`],
          ["application/vnd.cyclonedx+json", SBOM_FILE],
        ]
      ) {
        const absent = { digest: digestOf("nowhere"), size: 10, urls: ["http://127.0.0.1:1/x"] };
        for (const layer of [absent, { digest: digestOf(large), size: large.length }]) {
          const layers = [{ mediaType: "text/plain", ...layer, annotations: { [TITLE]: title } }];
          const made = artifact([], { artifactType: type, subject, layers });
          const put = await registry.manifest(digestOf(JSON.stringify(made)), made, "probe");
          assert.equal(put.status, 201, await put.text());
        }
      }
      // With our key's id, with another's signature of something else, with none, and with ours about other files.
      const forged = genuine.replace(/version:5/, "version:9");
      await signFiles(from, other, 8);
      const foreign = readFileSync(join(from, `${MADE_FILE}.minisig`), "utf8");
      for (let n = 0; n < 130; n++) {
        await add(SIGNATURE_TYPE, n, [forged, foreign, "", genuine][n % 4]);
        if (n < 60) await add(SIGNATURE_TYPE, 1000 + n);
        if (n < 20) await add("application/vnd.cyclonedx+json", n);
      }
      const line = lineTo(registry);
      const signatures = recordSignatures({ line, repository: "probe" }, subject.digest);
      const trust = ours.publicKey.text;
      assert.equal((await trustedRecord({ text, signatures }, { trust, runtime })).version, 5);
      const names = await pulled(registry, join(folder, "ours"), [ours]);
      for (const name of [`${MADE_FILE}.minisig`, SBOM_FILE, `${SBOM_FILE}.minisig`]) {
        assert.ok(names.includes(name), `${name} is hidden`);
      }
      assert.equal((await verifyFiles(join(folder, "ours"), [ours.publicKey])).version, 5);
      assert.ok((await pulled(registry, join(folder, "all"))).length <= 30);
    })
  ));

test("a registry of ours takes no annotations that would fill the list of what refers to something", () =>
  withRegistry(async (registry) => {
    await registry.blob("{}", "probe");
    const subject = JSON.stringify(artifact([]));
    await registry.manifest("1", artifact([]), "probe");
    const about = (annotations: object) =>
      artifact([], {
        annotations,
        artifactType: "a/b",
        subject: { mediaType: "a/b", digest: digestOf(subject), size: subject.length },
      });
    const much = { a: "x".repeat(32 * 1024) };
    assert.equal(await codesOf(await registry.manifest("2", about(much), "probe")), "400 MANIFEST_INVALID");
    assert.equal((await registry.manifest("2", about({ a: "x".repeat(30_000) }), "probe")).status, 201);
    assert.equal((await registry.manifest("3", artifact([], { annotations: much }), "probe")).status, 201);
  }));
