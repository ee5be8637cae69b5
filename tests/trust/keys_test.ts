/** Which keys are trusted, what is signed by one, and which versions are taken. */
import assert from "node:assert/strict";
import test from "node:test";
import { commentOf, trustedKeys, verify, versionOf } from "../../src/trust/keys.ts";
import { type PublicKey, publicKeyOf, publicKeyText, signedHash } from "../../src/trust/minisign.ts";
import { makeSecretKey } from "../../src/trust/secret_key.ts";
import { Versions, versionsInMemory, type VersionsPort } from "../../src/trust/versions.ts";

const [one, two] = await Promise.all([makeSecretKey(), makeSecretKey()]);
const [A, B] = [one.publicKey, two.publicKey];

function read(text: string, files: Readonly<Record<string, string>> = {}): Promise<readonly PublicKey[]> {
  return trustedKeys(
    text,
    (path) => path in files ? Promise.resolve(files[path]!) : Promise.reject(new Error("ENOENT")),
  );
}

test("keys are named by themselves or by files, and a key that is revoked counts nowhere", async () => {
  const ids = async (text: string, files?: Readonly<Record<string, string>>) =>
    (await read(text, files)).map(({ id }) => id);
  const files = {
    "/etc/a.pub": publicKeyText(A),
    "both.pub": `# ours\r\n${publicKeyText(A)}\n\n${publicKeyText(B)}`,
    "revoked.pub": `${A.text}\n!${A.id}\n${B.text}\n`,
  };
  assert.deepEqual(await ids(A.text), [A.id]);
  assert.deepEqual(await ids(` ${A.text} , ${B.text},`), [A.id, B.id]);
  assert.deepEqual(await ids(`/etc/a.pub,${A.text}`, files), [A.id]);
  assert.deepEqual(await ids("both.pub", files), [A.id, B.id]);
  assert.deepEqual(await ids(`!${A.id},both.pub`, files), [B.id]);
  assert.deepEqual(await ids(`both.pub,!${B.id}`, files), [A.id]);
  assert.deepEqual(await ids("revoked.pub", files), [B.id]);
  // Its id begins with zeros, which minisign does not show.
  const zeros = publicKeyOf(Uint8Array.of(1, 0xab, 0, 0, 0, 0, 0, 0), A.bytes);
  assert.equal(zeros.id, "000000000000AB01");
  assert.deepEqual(await ids(`${zeros.text},${B.text},!AB01`), [B.id]);
});

test("no key is never trust in all: what makes no sense is refused", async () => {
  const files = {
    empty: "\n",
    comment: "untrusted comment: x\n",
    wrong: `${A.text}x\n`,
    lower: `!${A.id.toLowerCase()}\n`,
  };
  const wrong: readonly [string, RegExp][] = [
    [",", /there is no key/],
    ["empty", /there is no key/],
    ["comment", /there is no key/],
    [`${A.text},!${A.id}`, /every key is revoked/],
    [`!${A.id}`, /there is no key/],
    ["wrong", /wrong: .* is no public key of minisign/],
    ["lower", /lower: .* no !ID/],
    [`${A.text},none.pub`, /"none\.pub" is no public key, no !ID, and no file that can be read \(ENOENT\)/],
    [`!0${A.id}`, /no file that can be read/],
    [`RUS${A.text.slice(3)}`, /no file that can be read/],
  ];
  for (const [text, message] of wrong) {
    await assert.rejects(read(text, files), { code: "OUTRIDER_TRUST", message }, text);
  }
});

test("a signature counts only if a trusted key made it over just this", async () => {
  const hash = signedHash(new TextEncoder().encode("x"));
  const signature = await one.sign(hash, commentOf({ file: "a\tversion:9", version: 7 }));
  const what = "The file";
  const verified = await verify(hash, { signature, keys: [B, A], what });
  assert.deepEqual(verified, { keyId: A.id, says: { file: "a version:9", version: "7" } });
  assert.equal(versionOf(verified, what), 7);
  await assert.rejects(verify(hash, { signature, keys: [B], what }), {
    code: "OUTRIDER_TRUST",
    message: new RegExp(`^The file is signed by key ${A.id}, which is not trusted here \\(${B.id}\\)`),
  });
  const other = signedHash(new TextEncoder().encode("y"));
  await assert.rejects(verify(other, { signature, keys: [A], what }), {
    code: "OUTRIDER_TRUST",
    message: /^The file is not what key .* has signed: it was changed/,
  });
  await assert.rejects(
    verify(hash, { signature: signature.replace("version:7", "version:8"), keys: [A], what }),
    {
      message: /was changed or damaged/,
    },
  );
  // Whoever takes the id of a trusted key is not taken for it.
  const stolen = { ...B, id: A.id };
  await assert.rejects(verify(hash, { signature, keys: [stolen], what }), {
    message: /was changed or damaged/,
  });
  assert.equal((await verify(hash, { signature, keys: [stolen, A], what })).keyId, A.id);
});

test("a version is a whole number from 1", async () => {
  const hash = signedHash(new Uint8Array());
  for (const version of ["0", "-1", "1.5", "1e3", "", "9007199254740993", "0x1", "01"]) {
    const verified = await verify(hash, {
      signature: await one.sign(hash, `version:${version}`),
      keys: [A],
      what: "It",
    });
    assert.throws(
      () => versionOf(verified, "It"),
      { code: "OUTRIDER_TRUST", message: /without a version/ },
      version,
    );
  }
});

test("a version is taken once it is kept, again with the same contents, and never once a newer one was", async () => {
  const port = versionsInMemory();
  const taken = (version: number, hash = "h", name = "pipeline p") =>
    new Versions(port).take({ name, version, hash });
  await taken(5);
  await taken(5);
  await assert.rejects(taken(5, "other"), {
    code: "OUTRIDER_TRUST",
    message: /Version 5 of pipeline p was taken before with other contents/,
  });
  await assert.rejects(taken(4), { message: /Version 4 of pipeline p is older than version 5/ });
  await taken(1, "h", "pipeline q");
  await taken(1, "h", "__proto__");
  await assert.rejects(taken(0, "h", "__proto__"), /older/);
  await taken(6, "i");
  await assert.rejects(taken(5), /older than version 6/);
});

test("what can't be kept or read is not taken", async () => {
  const full: VersionsPort = {
    read: () => Promise.resolve(undefined),
    write: () => Promise.reject(new Error("ENOSPC")),
  };
  await assert.rejects(new Versions(full).take({ name: "p", version: 1, hash: "h" }), {
    code: "OUTRIDER_TRUST",
    message: /can't be kept \(ENOSPC\)/,
  });
  for (
    const text of [
      "",
      "{",
      "[]",
      "null",
      '{"outriderVersions":2,"taken":{}}',
      '{"outriderVersions":1,"taken":{"p":{"version":"1"}}}',
    ]
  ) {
    const damaged: VersionsPort = { read: () => Promise.resolve(text), write: () => Promise.resolve() };
    await assert.rejects(new Versions(damaged).take({ name: "p", version: 1, hash: "h" }), {
      code: "OUTRIDER_TRUST",
      message: /can't be read .*remove it/,
    }, text);
  }
  const unread: VersionsPort = {
    read: () => Promise.reject(new Error("EIO")),
    write: () => Promise.resolve(),
  };
  await assert.rejects(new Versions(unread).take({ name: "p", version: 1, hash: "h" }), /EIO/);
});

test("two that come at once are taken one after the other", async () => {
  const versions = new Versions(versionsInMemory());
  const takes = [3, 1, 4, 2].map((version) => versions.take({ name: "p", version, hash: String(version) }));
  const ends = await Promise.allSettled(takes);
  assert.deepEqual(ends.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "rejected"]);
});
