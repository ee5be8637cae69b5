/** Packages of Debian: found, trusted, pinned and unpacked, from a small Debian of the test's own. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fetchPackageList } from "../../src/environment/debian/archive.ts";
import { debEntries } from "../../src/environment/debian/deb.ts";
import { DEBIAN_KEYS } from "../../src/environment/debian/keys.ts";
import { mirrorIn } from "../../src/environment/debian/mirror.ts";
import { signedText } from "../../src/environment/debian/openpgp.ts";
import { PackageList, readNeeds } from "../../src/environment/debian/package_list.ts";
import { debianPackages } from "../../src/environment/debian/packages.ts";
import { readRelease } from "../../src/environment/debian/release.ts";
import { neededPackages } from "../../src/environment/debian/resolve.ts";
import { compareVersions } from "../../src/environment/debian/versions.ts";
import { unpacked } from "../../src/environment/unpacked.ts";
import { arOf, debOf, mirrorFiles, serveMirror, sha256Of, Signer } from "./debian_rig.ts";

const signer = await Signer.make();

/** The same small archive, by xz and by zstd. */
const XZ =
  "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Cf/AI9dABcLyyeJ8uv7sv6J4fnJCB0cKx5/hk24Hs3vQBOLFClofvFujRaKjYgL01gSfZmWALxXcoQqwEWqK0Q46G1uC0BYn5RWa1vwi/guo5JJwfN0sQr+wfBPzRVXKG5fJ/JKNaM39XTuqV5gdHkBTHGcdwKhePNPI/Roak/XfJycAJwTiWuITtEkvgFoXbABKpIAAAAKYHA14ZM9zgABqwGAUAAAy4QLDLHEZ/sCAAAAAARZWg==";
const ZSTD =
  "KLUv/WQAJ50DAKLEDxGQfYQ74Q4Vu4skykLT1dRKAQ7aU5KpG1SgFrtAghf0542ds8HzZtS4XFuLCXGsdN7uH/ygVArx/0R84LyHCBIgIC0sLGwDz8Phm08AYKrZ4SnVbtSRAEoDNADJUQDuGYYGKPzfJ7w+4ACDAphOYgvHbGxE";

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64, "base64"));
}

async function inFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-debian-"));
  try {
    await fn(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lists of packages, one paragraph each. */
function listOf(...fields: readonly Readonly<Record<string, string>>[]): PackageList {
  const text = fields.map((each) => {
    const all = {
      Version: "1",
      Filename: `pool/${each["Package"]}.deb`,
      Size: "1",
      SHA256: "0".repeat(64),
      ...each,
    };
    return Object.entries({ Package: "", ...all }).map(([name, value]) => `${name}: ${value}\n`).join("");
  }).join("\n");
  return new PackageList([{ archive: "main", text }]);
}

function namesOf(list: PackageList, ...wanted: readonly string[]): string {
  return neededPackages(list, wanted).map(({ name, version }) => `${name} ${version}`).join(", ");
}

test("Debian's versions have Debian's order", () => {
  const inOrder = [
    ..."1.0~~ 1.0~rc1 1.0~rc1-1 1.0-1~bpo1 1.0-1 1.0-1+b1 1.0-1+deb13u1 1.0-2 1.0a 1.0+x 1.0.1 1.2 1.10 1.010.1 2"
      .split(" "),
    ..."0:3 3.0-0 1:0.1 10:0".split(" "),
  ];
  for (const [at, version] of inOrder.entries()) {
    for (const [other, than] of inOrder.entries()) {
      assert.equal(
        Math.sign(compareVersions(version, than)),
        Math.sign(at - other),
        `${version} and ${than}`,
      );
    }
  }
  assert.equal(compareVersions("1.0", "0:1.0"), 0);
  assert.equal(compareVersions("1.0-0", "1.0"), 0);
  assert.equal(compareVersions("9".repeat(30), `1${"0".repeat(30)}`) < 0, true);
});

test("what packages need comes with them, once, the newest version, in the order of names", () => {
  const list = listOf(
    { Package: "tool", Depends: "lib (>= 2), other | never, virtual, dpkg" },
    { Package: "lib", Version: "1.9" },
    { Package: "lib", Version: "2.10", Depends: "tool, deep:any" },
    { Package: "lib", Version: "2.9" },
    { Package: "other" },
    { Package: "deep", "Pre-Depends": "first" },
    { Package: "first" },
    { Package: "real", Provides: "virtual (= 3), more" },
    { Package: "unwanted" },
  );
  assert.equal(namesOf(list, "tool"), "deep 1, first 1, lib 2.10, other 1, real 1, tool 1");
  assert.equal(namesOf(list, "lib=1.9"), "lib 1.9");
  assert.equal(neededPackages(list, [], ["tool"]).length, 1);
  assert.equal(namesOf(list, "unwanted", "unwanted"), "unwanted 1");
});

test("a need is met by the first alternative that is there, or by one that is taken already", () => {
  const list = listOf(
    { Package: "aa", Depends: "gone | bb | cc" },
    { Package: "bb" },
    { Package: "cc" },
    { Package: "dd", Depends: "vv (>= 2)" },
    { Package: "p1", Provides: "vv (= 1)" },
    { Package: "p2", Provides: "vv (= 2)" },
  );
  assert.equal(namesOf(list, "aa"), "aa 1, bb 1");
  assert.equal(namesOf(list, "aa", "cc"), "aa 1, cc 1");
  assert.equal(namesOf(list, "dd"), "dd 1, p2 1");
});

test("all that is missing is told at once, with who needs it", () => {
  const list = listOf({ Package: "aa", Depends: "xx (>= 2) | yy, aa (>= 9)" }, {
    Package: "xx",
    Version: "1",
  });
  const error = /aa has no version 7: there is 1; There is no package nowhere/;
  assert.throws(() => neededPackages(list, ["nowhere", "aa=7"]), error);
  assert.throws(
    () => neededPackages(list, ["aa"]),
    /aa needs xx \(>= 2\) or yy, which is not there; aa needs aa \(>= 9\), which is not there/,
  );
  assert.throws(() => readNeeds("aa, $(id)"), /can't be read/);
});

test("no more packages are taken than an environment may have", () => {
  const many = Array.from({ length: 700 }, (_, at) => ({ Package: `p${at}`, Depends: `p${at + 1}` }));
  assert.throws(() => neededPackages(listOf(...many, { Package: "p700" }), ["p0"]), /More than 500 packages/);
});

test("a package whose place leaves the mirror is none", () => {
  for (const place of ["../../etc/passwd", "/etc/passwd", "pool/../../x", "http://x/y", ""]) {
    assert.throws(
      () => neededPackages(listOf({ Package: "a", Filename: place }), ["a"]),
      /place of a/,
      place,
    );
  }
});

test("gzip, xz and Zstandard are unpacked, and what is cut, damaged or too large is not", async () => {
  const whole = await unpacked(bytesOf(XZ), 20_000);
  assert.equal(whole.length, 10_240);
  assert.deepEqual(await unpacked(bytesOf(ZSTD), 20_000), whole);
  const plain = new TextEncoder().encode("neither of them");
  assert.equal(await unpacked(plain, 1), plain);
  for (const packed of [bytesOf(XZ), bytesOf(ZSTD)]) {
    await assert.rejects(unpacked(packed, 10_239), /more than 10239 bytes/);
    await assert.rejects(unpacked(packed.subarray(0, packed.length - 30), 20_000), {
      code: "OUTRIDER_UNPACKING",
    });
  }
  const changed = bytesOf(XZ).map((byte, at) => at === 100 ? byte ^ 1 : byte);
  await assert.rejects(unpacked(changed, 20_000), { code: "OUTRIDER_UNPACKING" });
});

test("a package is unpacked into files, folders and links, without what no program needs", async () => {
  const deb = await debOf({
    "./": { type: "directory" },
    "./bin/": { type: "directory", mode: 0o755 },
    "./bin/ping": "program",
    "./usr/bin/same": { type: "link", linkname: "./bin/ping" },
    "./lib/x86_64-linux-gnu/libx.so": { type: "symlink", linkname: "libx.so.1" },
    "./usr/share/doc/ping/copyright": "terms",
    "./usr/share/doc/ping/changelog.gz": "news",
    "./usr/share/man/man8/ping.8": "manual",
  });
  const entries = await debEntries(deb, "ping");
  assert.deepEqual(entries.map(({ path, type }) => `${type} ${path}`), [
    "folder bin",
    "file usr/bin/ping",
    "file usr/bin/same",
    "link usr/lib/x86_64-linux-gnu/libx.so",
    "file usr/share/doc/ping/copyright",
  ]);
});

test("setuid and setgid do not come with a package", async () => {
  const deb = await debOf({ "./usr/bin/su": { mode: 0o6755, type: "file" } });
  const [su] = await debEntries(deb, "su");
  assert.equal(su?.type === "file" && su.mode, 0o755);
});

test("a package that leaves the root, has devices, or is cut is refused", async () => {
  const bad: readonly [Uint8Array<ArrayBuffer>, RegExp][] = [
    [await debOf({ "../etc/passwd": "root" }), /does not lie below its root/],
    [await debOf({ "./usr/../../x": "root" }), /does not lie below its root/],
    [await debOf({ "./dev/mem": { type: "character-device" } }), /a character-device, and only files/],
    [
      await debOf({ "./usr/bin/x": { type: "link", linkname: "../../etc/shadow" } }),
      /does not lie below its root/,
    ],
    [await debOf({ "./usr/bin/x": { type: "link", linkname: "./etc/shadow" } }), /which it does not have/],
    [(await debOf({ a: "b" })).slice(0, -40), /It is cut/],
    [(await debOf({ a: "b" })).slice(0, 100), /no member begins|It is cut/],
    [arOf({ "debian-binary": new Uint8Array(4) }), /has no data.tar, but debian-binary/],
    [arOf({ "data.tar.xz": bytesOf(XZ).subarray(0, 90) }), /damaged or cut/],
    [new TextEncoder().encode("<html>not here</html>"), /It is no package/],
  ];
  for (const [deb, error] of bad) await assert.rejects(debEntries(deb, "bad"), error);
});

test("Debian's own keys are those that their fingerprints say", () => {
  const prints = DEBIAN_KEYS.map((key) =>
    createHash("sha1").update(Buffer.from([0x99, key.length >> 8, key.length & 255])).update(key).digest(
      "hex",
    )
  );
  // Of debian-archive-keyring: what signs Debian 13, and its updates for security.
  assert.deepEqual(prints, [
    "b8e5f13176d2a7a75220028078dba3bc47ef2265",
    "89c87acea5dd6b8e6a7068808e9f831205b4ba95",
  ]);
});

test("a text is given back only if a trusted key has signed just that", async () => {
  const text = "Codename: trixie\n- dash\nend  ";
  const message = await signer.sign(text);
  assert.equal(await signedText(message, [(await Signer.make()).key, signer.key]), text.trimEnd());
  const refused = /signed by none of the keys/;
  await assert.rejects(signedText(message, []), refused);
  await assert.rejects(signedText(message, [(await Signer.make()).key]), refused);
  await assert.rejects(signedText(message.replace("trixie", "bookworm"), [signer.key]), refused);
  await assert.rejects(signedText(`Codename: evil\n${message}`, [signer.key]), /not signed in the clear/);
  await assert.rejects(signedText(text, [signer.key]), /not signed in the clear/);
  await assert.rejects(signedText(message.replace(/\n[\w+/]{64}\n/, "\n"), [signer.key]), {
    code: "OUTRIDER_DEBIAN",
  });
});

test("a release is the one that was asked for, and still valid by a clock that can be right", async () => {
  const message = await signer.sign(
    "Codename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: Sat, 28 Nov 2026 09:15:44 UTC\nSHA256:\n " +
      `${"a".repeat(64)} 12 main/x\n nonsense`,
  );
  const read = (suite: string, now: string) =>
    readRelease(message, { suite, keys: [signer.key], now: Date.parse(now) });
  const { files, byHash } = await read("trixie", "2026-11-27");
  assert.deepEqual([...files.values()], [{ path: "main/x", bytes: 12, sha256: "a".repeat(64) }]);
  assert.equal(byHash, false);
  await read("trixie", "1970-01-01");
  await assert.rejects(read("trixie", "2026-11-29"), /was valid until 2026-11-28/);
  await assert.rejects(
    read("trixie-security", "2026-11-27"),
    /is the release "trixie", and not trixie-security/,
  );
});

test("the mirror of this host's apt is found in both forms of its sources", () => {
  assert.equal(
    mirrorIn(
      "# deb http://old/debian x main\ndeb [arch=amd64 signed-by=/k] http://mirror.test/debian/ trixie main\n",
    ),
    "http://mirror.test/debian",
  );
  assert.equal(
    mirrorIn("Types: deb\n# http://old/debian\nURIs: https://other.test/debian\nSuites: trixie\n"),
    "https://other.test/debian",
  );
  assert.equal(mirrorIn("Types: deb\nEnabled: no\nURIs: https://other.test/debian\n"), undefined);
  assert.equal(
    mirrorIn("deb https://packages.test/cloud-sdk x main\ndeb cdrom:[x]/debian y main"),
    undefined,
  );
});

test("a list is taken only if Debian's keys have signed its digest", async () => {
  await inFolder(async (folder) => {
    const files = await mirrorFiles(signer, [{ name: "tool" }]);
    const mirror = await serveMirror(files);
    try {
      const fetchList = (keys = [signer.key], kept = "a") =>
        fetchPackageList("arm64", { mirror: mirror.url, folder: join(folder, kept), keys });
      assert.equal((await fetchList()).versions("tool")[0]?.path, "main/pool/main/t/tool/tool_1.0-1_all.deb");
      await assert.rejects(fetchList([]), /InRelease can't be trusted: It is signed by none/);
      const [path] = [...files.keys()].filter((each) =>
        each.includes("/debian/") && each.includes("arm64/by-hash")
      );
      files.set(path!, new Uint8Array([1, 2, 3]));
      await fetchList();
      await assert.rejects(fetchList(undefined, "b"), /is not what was promised/);
      files.delete(path!);
      await assert.rejects(
        fetchList(undefined, "b"),
        /The mirror has no list of packages at .*arm64\/Packages.xz/,
      );
    } finally {
      await mirror.close();
    }
  });
});

test("a lock pins packages by their digests: the same are taken, or none", async () => {
  await inFolder(async (folder) => {
    const deb = await debOf({ "./usr/bin/tool": "1" });
    const files = new Map<string, Uint8Array>([["/debian/pool/tool_1.deb", deb]]);
    const mirror = await serveMirror(files);
    const before = process.env["OUTRIDER_DEBIAN_MIRROR"];
    process.env["OUTRIDER_DEBIAN_MIRROR"] = mirror.url;
    try {
      const locked = {
        name: "tool",
        version: "1",
        path: "main/pool/tool_1.deb",
        bytes: deb.length,
        sha256: sha256Of(deb),
      };
      const sets = [{ of: "debian trixie arm64 root", wanted: ["tool"], packages: [locked] }];
      const lock = JSON.stringify({ outriderLock: 1, sets });
      writeFileSync(join(folder, "environment.lock.json"), lock);
      const take = (cache: string, wanted = ["tool"]) =>
        debianPackages(
          { purpose: "root", target: "linux-arm64", wanted, bare: [] },
          { folder, cache: join(folder, cache), progress: () => {} },
        );
      const [taken] = await take("a");
      assert.equal(taken?.entries[0]?.path, "usr/bin/tool");
      assert.deepEqual(mirror.asked, ["/debian/pool/tool_1.deb"], "no list is asked for");
      files.set("/debian/pool/tool_1.deb", await debOf({ "./usr/bin/tool": "2" }));
      await take("a");
      await assert.rejects(take("b"), /is not what was promised/);
      files.delete("/debian/pool/tool_1.deb");
      await assert.rejects(take("c"), /no longer has tool 1: remove environment.lock.json/);
      await assert.rejects(take("a", ["tool", "more"]), /InRelease can't be fetched: It answered 404/);
      assert.equal(readFileSync(join(folder, "environment.lock.json"), "utf8"), lock);
    } finally {
      if (before === undefined) delete process.env["OUTRIDER_DEBIAN_MIRROR"];
      else process.env["OUTRIDER_DEBIAN_MIRROR"] = before;
      await mirror.close();
    }
  });
});

test("a lock that was changed by hand is refused with all that is wrong", async () => {
  await inFolder(async (folder) => {
    const packages = [{
      name: "--index-url=x",
      version: "1\n-r x",
      path: "../../x",
      bytes: -1,
      sha256: "beef",
    }];
    const sets = [{ of: "debian trixie amd64 root", wanted: [], packages }];
    writeFileSync(join(folder, "environment.lock.json"), JSON.stringify({ outriderLock: 1, sets }));
    await assert.rejects(
      debianPackages(
        { purpose: "root", target: "linux-x64", wanted: [], bare: [] },
        { folder, cache: folder, progress: () => {} },
      ),
      /environment.lock.json has 5 problems:[^]*name[^]*version[^]*path[^]*bytes[^]*sha256/,
    );
  });
});
