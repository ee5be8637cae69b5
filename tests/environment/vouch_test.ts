/** Who vouches for what was built: the bill of materials, the provenance, and signatures over all of it. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Ajv } from "ajv";
import { sha256 } from "../../src/base/bytes.ts";
import { MADE_FILE, type MadeRecord, madeText } from "../../src/environment/made.ts";
import { PROVENANCE_FILE, provenanceText } from "../../src/environment/vouch/provenance.ts";
import { purlOf, SBOM_FILE, sbomText } from "../../src/environment/vouch/sbom.ts";
import { signFiles, verifyFiles } from "../../src/environment/vouch/signed.ts";
import { publicKeyText } from "../../src/trust/minisign.ts";
import { makeSecretKey } from "../../src/trust/secret_key.ts";
import { runCli, withFiles } from "../rig.ts";

const HEX = "0123456789abcdef".repeat(4);
const RECORD: MadeRecord = {
  outriderMade: 1,
  name: "probe",
  version: "1.4.0",
  outrider: "0.1.0",
  kinds: ["executable", "oci"],
  files: [
    {
      name: "probe-linux-arm64",
      kind: "executable",
      target: "linux-arm64",
      bytes: 5,
      sha256: HEX,
      mode: "0755",
    },
    { name: "probe-linux-x64", kind: "executable", target: "linux-x64", bytes: 5, sha256: HEX, mode: "0755" },
    { name: "probe.oci/index.json", kind: "oci", bytes: 5, sha256: HEX },
  ],
  used: [
    { name: "deb:libc6", version: "2.36-9+deb12u9", target: "linux-arm64", digest: `sha256:${HEX}` },
    { name: "deb:libc6", version: "2.36-9+deb12u9", target: "linux-x64", digest: `sha256:${HEX}` },
    { name: "npm:@oven/bun-linux-x64", version: "1.4.5", target: "linux-x64", digest: `sha512:${HEX}${HEX}` },
    { name: "pypi:scapy", version: "2.5.0", digest: `sha256:${HEX}` },
    { name: "image:base", version: "1", digest: `sha256:${HEX}` },
    { name: "npm:left", version: "1.0.0", licence: "(MIT OR Apache-2.0)" },
    { name: "npm:right", version: "1.0.0", licence: "SEE LICENSE IN LICENSE.md" },
  ],
};

function schema(name: string): object {
  const at = `../../node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`;
  return JSON.parse(readFileSync(new URL(at, import.meta.url), "utf8")) as object;
}

test("the bill of materials is valid by CycloneDX's own schema, and the same record gives the same bill", async () => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  for (const part of ["spdx", "jsf-0.82", "cryptography-defs"]) {
    ajv.addSchema(schema(part), `http://cyclonedx.org/schema/${part}.SNAPSHOT.schema.json`);
  }
  const valid = ajv.compile(schema("bom-1.6"));
  const validate = (document: unknown): boolean => valid(document);
  const text = await sbomText(RECORD);
  const bill = JSON.parse(text);
  assert.ok(validate(bill), JSON.stringify(valid.errors));
  assert.equal(await sbomText(JSON.parse(JSON.stringify(RECORD))), text);
  assert.notEqual(JSON.parse(await sbomText({ ...RECORD, version: "2" })).serialNumber, bill.serialNumber);
  const [left, right] = bill.components.slice(6, 8);
  assert.deepEqual([left.licenses, left.hashes], [[{ expression: "(MIT OR Apache-2.0)" }], undefined]);
  assert.deepEqual(right.licenses, [{ license: { name: "SEE LICENSE IN LICENSE.md" } }]);
  const { version: _, ...unversioned } = RECORD;
  assert.ok(
    validate(JSON.parse(await sbomText({ ...unversioned, files: [], used: [] }))),
    JSON.stringify(valid.errors),
  );
  // It is no formality: the schema refuses what is wrong.
  assert.equal(validate({ ...bill, components: [{ type: "thing", name: "x" }] }), false);
  const refs = bill.components.map((each: Record<string, string>) => each["bom-ref"]);
  assert.equal(new Set(refs).size, 1 + RECORD.used.length + RECORD.files.length);
  assert.deepEqual(bill.dependencies, [{ ref: "environment", dependsOn: refs }]);
  assert.match(
    bill.serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

test("packages have the addresses that scanners know", () => {
  assert.deepEqual(RECORD.used.map(purlOf), [
    "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=arm64",
    "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64",
    "pkg:npm/%40oven/bun-linux-x64@1.4.5",
    "pkg:pypi/scapy@2.5.0",
    undefined,
    "pkg:npm/left@1.0.0",
    "pkg:npm/right@1.0.0",
  ]);
});

test("the provenance names what was made and what it was made of, and nothing of the machine", () => {
  const { _type, subject, predicateType, predicate } = JSON.parse(provenanceText(RECORD));
  assert.equal(_type, "https://in-toto.io/Statement/v1");
  assert.equal(predicateType, "https://slsa.dev/provenance/v1");
  assert.deepEqual(subject[0], { name: "probe-linux-arm64", digest: { sha256: HEX } });
  assert.equal(subject.length, RECORD.files.length);
  assert.deepEqual(predicate.buildDefinition.externalParameters, {
    name: "probe",
    version: "1.4.0",
    kinds: ["executable", "oci"],
    targets: ["linux-arm64", "linux-x64"],
  });
  assert.deepEqual(predicate.buildDefinition.resolvedDependencies[2], {
    uri: "pkg:npm/%40oven/bun-linux-x64@1.4.5",
    digest: { sha512: `${HEX}${HEX}` },
  });
  assert.deepEqual(predicate.buildDefinition.resolvedDependencies[5], { uri: "pkg:npm/left@1.0.0" });
  assert.equal(provenanceText(JSON.parse(JSON.stringify(RECORD))), provenanceText(RECORD));
});

/** A folder in which something was built. */
async function withMade(use: (folder: string) => Promise<void>): Promise<void> {
  await withFiles({}, async (folder) => {
    mkdirSync(join(folder, "probe.oci"));
    const files = await Promise.all(RECORD.files.map(async (file) => {
      const text = `x ${file.name}`;
      writeFileSync(join(folder, file.name), text);
      return { ...file, bytes: text.length, sha256: await sha256(text) };
    }));
    const record = { ...RECORD, files };
    writeFileSync(join(folder, MADE_FILE), madeText(record));
    writeFileSync(join(folder, SBOM_FILE), await sbomText(record));
    writeFileSync(join(folder, PROVENANCE_FILE), provenanceText(record));
    await use(folder);
  });
}

test("a folder that was signed is verified with every file of it, and whatever was changed is told, all at once", () =>
  withMade(async (folder) => {
    const [key, other] = await Promise.all([makeSecretKey(), makeSecretKey()]);
    const keys = [key.publicKey];
    await assert.rejects(verifyFiles(folder, keys), { code: "OUTRIDER_TRUST", message: /is not signed/ });
    mkdirSync(join(folder, "empty"));
    const unbuilt = { code: "OUTRIDER_ENVIRONMENT", message: /It has no environment\.made\.json/ };
    await assert.rejects(verifyFiles(join(folder, "empty"), keys), unbuilt);
    await assert.rejects(signFiles(join(folder, "empty"), key, 7), unbuilt);
    const gone = { code: "OUTRIDER_ENVIRONMENT", message: /It is not there/ };
    await assert.rejects(verifyFiles(join(folder, "none"), keys), gone);
    const written = await signFiles(folder, key, 7);
    assert.deepEqual(
      written.map((file) => file.slice(folder.length + 1)),
      [MADE_FILE, SBOM_FILE, PROVENANCE_FILE].map((name) => `${name}.minisig`),
    );
    const { keyId, version, record } = await verifyFiles(folder, keys);
    assert.deepEqual([keyId, version, record?.files.length], [key.publicKey.id, 7, 3]);
    await assert.rejects(verifyFiles(folder, [other.publicKey]), {
      code: "OUTRIDER_TRUST",
      message: /not trusted here/,
    });

    const at = (name: string) => join(folder, name);
    writeFileSync(at("probe-linux-x64"), "x probe-linux-x65");
    writeFileSync(at("probe-linux-arm64"), "x");
    rmSync(at("probe.oci/index.json"));
    await assert.rejects(
      verifyFiles(folder, keys),
      (error: { code?: string; problems?: { place: string; message: string }[] }) => {
        assert.equal(error.code, "OUTRIDER_ENVIRONMENT");
        assert.deepEqual(
          error.problems!.map(({ place, message }) => [place, message.split(/[:,]/)[0]!.slice(0, 12)]),
          [
            ["probe-linux-arm64", "It has 1 byt"],
            ["probe-linux-x64", "It has the d"],
            ["probe.oci/index.json", "It is missin"],
          ],
        );
        return true;
      },
    );

    for (const name of [MADE_FILE, SBOM_FILE, PROVENANCE_FILE]) {
      const before = readFileSync(at(name), "utf8");
      writeFileSync(at(name), before.replace("probe", "prone"));
      await assert.rejects(verifyFiles(folder, keys), { message: /is not what key .* has signed/ }, name);
      writeFileSync(at(name), before);
    }
  }));

test("a signature is of one file, under its name; those of one folder have one version", () =>
  withMade(async (folder) => {
    const key = await makeSecretKey();
    const keys = [key.publicKey];
    const at = (name: string) => join(folder, name);
    await signFiles(at("probe-linux-x64"), key, 3);
    assert.equal((await verifyFiles(at("probe-linux-x64"), keys)).version, 3);
    renameSync(at("probe-linux-x64"), at("probe-linux-arm64"));
    renameSync(at("probe-linux-x64.minisig"), at("probe-linux-arm64.minisig"));
    await assert.rejects(verifyFiles(at("probe-linux-arm64"), keys), {
      message: /was signed as probe-linux-x64/,
    });
    await signFiles(folder, key, 7);
    await signFiles(at(SBOM_FILE), key, 6);
    await assert.rejects(verifyFiles(folder, keys), {
      message: /is signed as version 6, environment\.made\.json as 7/,
    });
    await assert.rejects(signFiles(at("none"), key, 1), { code: "OUTRIDER_TRUST", message: /can't be read/ });
  }));

test("outrider environment sign and verify say who vouches, and end with 2 where nobody does", () =>
  withMade(async (folder) => {
    const key = await makeSecretKey();
    await withFiles({ "k.key": await key.text(), "k.pub": publicKeyText(key.publicKey) }, async (cwd) => {
      const run = (...args: string[]) => runCli(["environment", ...args], { cwd });
      const nobody = await run("verify", folder);
      assert.equal(nobody.code, 2);
      assert.match(nobody.stderr, /Whose signature counts is not said: --trust KEY, or OUTRIDER_TRUST/);
      assert.equal((await run("sign", folder)).code, 2);
      const signed = await run("sign", folder, "--sign", "k.key", "--version", "4");
      assert.equal(signed.code, 0, signed.stderr);
      assert.match(signed.stdout, /environment\.made\.json\.minisig\n/);
      const good = await run("verify", folder, "--trust", "k.pub");
      assert.equal(good.code, 0, good.stderr);
      assert.match(
        good.stdout,
        new RegExp(`and 3 files of its record: version 4, signed by ${key.publicKey.id}\n$`),
      );
      writeFileSync(join(folder, "probe-linux-x64"), "changed");
      const bad = await run("verify", folder, "--trust", "k.pub");
      assert.equal(bad.code, 2);
      assert.match(bad.stderr, /probe-linux-x64: It has 7 bytes, the record says/);
    });
  }));
