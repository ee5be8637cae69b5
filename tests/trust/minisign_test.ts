/** Keys and signatures are minisign's: what it makes is read here, and what is made here is read by it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { isSignedBy, publicKey, publicKeyText, signatureOf, signedHash } from "../../src/trust/minisign.ts";
import { makeSecretKey, readSecretKey } from "../../src/trust/secret_key.ts";
import { withFiles } from "../rig.ts";
import { programPath, testWith } from "../system.ts";

/** Small, so that a test does not take long. */
const COST = { ops: 524_288, memory: 16_777_216 };
const noPassword = () => Promise.reject(new Error("a password was asked for"));
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Made by Debian's minisign 0.11. */
const THEIRS = {
  secret:
    "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAtzFK5+WNHG7xMB6R+74amXmb1jCu0BnHz3MnN9tK4TNPqJ0Yfs0mXmNXhefj9tkewnIzii/D0OBvBej7/j8822q4GoYL3mmzAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
  public: "RWS3MUrn5Y0cbmNXhefj9tkewnIzii/D0OBvBej7/j8822q4GoYL3mmz",
  id: "6E1C8DE5E74A31B7",
  signature:
    "untrusted comment: signature from minisign secret key\nRUS3MUrn5Y0cbg3D+wcX5QRsvpT4Vf/rQBby4eFyBxnZ9DQQBF+adNNu7HfNQ4Jfute66UzKSvHoHb6ejUTd/4Q4rrold0Zxpgo=\ntrusted comment: timestamp:1795794313\tfile:f\thashed\nSMe46WAfb6hzP48Jim8ckuCxxYflFlDucjBF6IjGd+WrGDbbCyzNkKUxQhFP2UJBnK21fhM0ZInRBIjSB0IpBw==\n",
  older:
    "untrusted comment: signature from minisign secret key\nRWS3MUrn5Y0cbm7S2BdpqYNRgSStihd3AQi7SgXxv9YRQPPQKswfWEFM9n1jfWob4wgYnaV4eKNFKUA1pyV1AU1PYlrLjE4iwgA=\ntrusted comment: timestamp:1795794313\tfile:f\nQRNuu1r6xylqz1q9TYlF4Mw0O6NnCSNcghYhnv4eGtTZY6QRiVdQCJIAd3t5hr7Yv1MOQQae1LvFinWiNWVbDw==\n",
};

test("a key and a signature of minisign's are read, and verified", async () => {
  const key = publicKey(THEIRS.public);
  assert.equal(key.id, THEIRS.id);
  const signature = signatureOf(THEIRS.signature);
  assert.equal(signature.keyId, THEIRS.id);
  assert.equal(signature.comment, "timestamp:1795794313\tfile:f\thashed");
  assert.equal(await isSignedBy(key, signature, signedHash(bytesOf("hi\n"))), true);
  const secret = await readSecretKey(THEIRS.secret, noPassword);
  assert.deepEqual(secret.publicKey, key);
});

test("nothing that is changed is verified: contents, signature, comment, key", async () => {
  const key = publicKey(THEIRS.public);
  const hash = signedHash(bytesOf("hi\n"));
  const good = signatureOf(THEIRS.signature);
  assert.equal(await isSignedBy(key, good, signedHash(bytesOf("hi"))), false);
  for (const part of ["bytes", "global"] as const) {
    for (const at of [0, 31, 32, 63]) {
      const changed = good[part].slice();
      changed[at]! ^= 1;
      assert.equal(await isSignedBy(key, { ...good, [part]: changed }, hash), false, `${part} ${at}`);
    }
  }
  assert.equal(await isSignedBy(key, { ...good, comment: `${good.comment} ` }, hash), false);
  assert.equal(await isSignedBy(key, { ...good, keyId: "0000000000000000" }, hash), false);
  const { publicKey: other } = await makeSecretKey();
  assert.equal(await isSignedBy({ ...other, id: key.id }, good, hash), false);
});

test("what is no key or no signature is refused in words", async () => {
  const key = THEIRS.public;
  for (
    const text of [
      "",
      "RW",
      key.slice(1),
      `${key}A`,
      key.replace("RWS", "RUS"),
      ` ${key}`,
      `${key.slice(0, -1)}`,
    ]
  ) {
    assert.throws(() => publicKey(text), { code: "OUTRIDER_TRUST", message: /is no public key of minisign/ });
  }
  const [one, two, three, four] = THEIRS.signature.split("\n");
  const wrong: readonly [string, RegExp][] = [
    ["", /four lines/],
    ["x".repeat(10_000), /four lines/],
    [[one, two, four].join("\n"), /four lines/],
    [[one, "RUS3", three, four].join("\n"), /damaged/],
    [[one, two, three, two].join("\n"), /damaged/],
    [[one, `${two!.slice(0, -2)}h=`, three, four].join("\n"), /damaged/],
    [THEIRS.older, /older kind.*minisign -H/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => signatureOf(text), { code: "OUTRIDER_TRUST", message }, text.slice(0, 80));
  }
  for (const text of ["", "comment", THEIRS.signature, `c\n${THEIRS.public}`]) {
    await assert.rejects(readSecretKey(text, noPassword), { code: "OUTRIDER_TRUST" });
  }
  // Its public half is another's.
  const text = await (await makeSecretKey()).text();
  const [comment, line] = text.split("\n");
  const mixed = `${line!.slice(0, 150)}${line![150] === "A" ? "B" : "A"}${line!.slice(151)}`;
  await assert.rejects(readSecretKey(`${comment}\n${mixed}\n`, noPassword), /halves do not belong together/);
});

test("a comment is one line, and is signed", async () => {
  const key = await makeSecretKey();
  const hash = signedHash(bytesOf("x"));
  for (const comment of ["a\nb", "a\rb", "x".repeat(1_001)]) {
    await assert.rejects(key.sign(hash, comment), { code: "OUTRIDER_TRUST", message: /one line of at most/ });
  }
  const signature = signatureOf(await key.sign(hash, "file:ünï\tversion:7"));
  assert.equal(signature.comment, "file:ünï\tversion:7");
  assert.equal(await isSignedBy(key.publicKey, signature, hash), true);
});

test("a secret key is written and read, with a password and without", async () => {
  const key = await makeSecretKey();
  const plain = await readSecretKey(await key.text(), noPassword);
  assert.deepEqual(plain.publicKey, key.publicKey);
  const text = await key.text("pässword", COST);
  assert.deepEqual((await readSecretKey(text, () => Promise.resolve("pässword"))).publicKey, key.publicKey);
  await assert.rejects(
    readSecretKey(text, () => Promise.resolve("password")),
    (error: Error) =>
      /password of the secret key is wrong/.test(error.message) && !error.message.includes('password"'),
  );
  await assert.rejects(readSecretKey(text, noPassword), /a password was asked for/);
  const greedy = await key.text("x", COST);
  const bytes = Buffer.from(greedy.split("\n")[1]!, "base64");
  bytes.writeBigUInt64LE(2n ** 40n, 46);
  await assert.rejects(
    readSecretKey(`c\n${bytes.toString("base64")}\n`, () => Promise.resolve("x")),
    /more time or memory/,
  );
});

test("two keys are never the same", async () => {
  const keys = await Promise.all([makeSecretKey(), makeSecretKey()]);
  assert.notEqual(keys[0].publicKey.text, keys[1].publicKey.text);
  assert.notEqual(keys[0].publicKey.id, keys[1].publicKey.id);
});

function minisign(args: readonly string[], cwd: string, input = ""): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(programPath("minisign")!, args, {
    cwd,
    input,
    encoding: "utf8",
  });
  return { code: status, said: `${stdout}${stderr}` };
}

testWith(
  ["minisign"],
  "minisign verifies what is signed here, and refuses what is changed",
  () =>
    withFiles({ "f.txt": "hello" }, async (cwd) => {
      const key = await makeSecretKey();
      writeFileSync(join(cwd, "k.pub"), publicKeyText(key.publicKey));
      writeFileSync(
        join(cwd, "f.txt.minisig"),
        await key.sign(signedHash(bytesOf("hello")), "file:f.txt\tversion:7"),
      );
      const good = minisign(["-V", "-H", "-p", "k.pub", "-m", "f.txt"], cwd);
      assert.equal(good.code, 0, good.said);
      assert.match(good.said, /Trusted comment: file:f\.txt\tversion:7/);
      assert.equal(minisign(["-V", "-P", key.publicKey.text, "-m", "f.txt"], cwd).code, 0);
      writeFileSync(join(cwd, "f.txt"), "hellp");
      assert.notEqual(minisign(["-V", "-p", "k.pub", "-m", "f.txt"], cwd).code, 0);
    }),
);

testWith(
  ["minisign"],
  "minisign signs with keys that are made here, with a password and without; that is verified here",
  () =>
    withFiles({ f: "hello" }, async (cwd) => {
      const key = await makeSecretKey();
      writeFileSync(join(cwd, "plain.key"), await key.text());
      writeFileSync(join(cwd, "hidden.key"), await key.text("secret", COST));
      for (const [file, input] of [["plain.key", ""], ["hidden.key", "secret\n"]] as const) {
        const { code, said } = minisign(
          ["-S", "-s", file, "-m", "f", "-x", "f.sig", "-t", "version:3"],
          cwd,
          input,
        );
        assert.equal(code, 0, said);
        const signature = signatureOf(readFileSync(join(cwd, "f.sig"), "utf8"));
        assert.equal(await isSignedBy(key.publicKey, signature, signedHash(bytesOf("hello"))), true);
        assert.equal(signature.comment, "version:3");
      }
      const made = minisign(["-G", "-W", "-p", "their.pub", "-s", "their.key"], cwd);
      assert.equal(made.code, 0, made.said);
      const theirs = await readSecretKey(readFileSync(join(cwd, "their.key"), "utf8"), noPassword);
      assert.equal(readFileSync(join(cwd, "their.pub"), "utf8").split("\n")[1], theirs.publicKey.text);
    }),
);
