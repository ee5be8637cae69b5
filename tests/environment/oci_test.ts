/** The image: the same bytes in any folder on each runtime, without rights, and one layer that changes with the pipeline. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { gunzipSync, gzipSync } from "fflate";
import { packTar, unpackTar } from "modern-tar";
import type { BuildOutput } from "../../src/environment/builders/builder.ts";
import { ociBuilder } from "../../src/environment/builders/oci.ts";
import type { EnvironmentDocument } from "../../src/environment/document/schema.ts";
import { imageLayer } from "../../src/environment/oci/layer.ts";
import {
  Below,
  fileEntry,
  folderEntry,
  linkEntry,
  rootPath,
  rootTree,
} from "../../src/environment/root/entry.ts";
import { debOf, serveMirror, sha256Of } from "./debian_rig.ts";
import { documentOf, inputOf } from "./builder_rig.ts";

const LIB = "./usr/lib/x86_64-linux-gnu";
const debs: ReadonlyMap<string, Uint8Array> = new Map([
  [
    "libc6",
    await debOf({
      [`${LIB}/libc.so.6`]: "libc",
      [`${LIB}/gconv/A.so`]: "needless",
      "./usr/share/doc/libc6/copyright": "GPL",
    }),
  ],
  [
    "ca-certificates",
    await debOf({
      "./usr/share/ca-certificates/mozilla/B.crt": "B\n",
      "./usr/share/ca-certificates/mozilla/A.crt": "A",
    }),
  ],
  ["tool", await debOf({ "./usr/bin/tool": "tool" })],
]);

/** A lock of the small packages, so that no list is asked for. */
function lockText(wanted: readonly string[]): string {
  const sets = ["amd64", "arm64"].map((architecture) => ({
    of: `debian trixie ${architecture} root`,
    wanted,
    packages: wanted.map((name) => ({
      name,
      version: "1",
      path: `main/pool/${name}.deb`,
      bytes: debs.get(name)!.length,
      sha256: sha256Of(debs.get(name)!),
    })),
  }));
  return JSON.stringify({ outriderLock: 1, sets });
}

interface Made {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly used: readonly string[];
}

/** Builds an image in a folder of its own. */
async function build(
  given: Partial<EnvironmentDocument>,
  carried = "carried",
  program = "program",
): Promise<Made> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-oci-"));
  const mirror = await serveMirror(
    new Map([...debs].map(([name, deb]) => [`/debian/pool/${name}.deb`, deb])),
  );
  const before = process.env["OUTRIDER_DEBIAN_MIRROR"];
  process.env["OUTRIDER_DEBIAN_MIRROR"] = mirror.url;
  try {
    const environment = documentOf(given);
    const wanted = ["ca-certificates", "libc6", ...environment.requires?.packages?.debian ?? []].sort();
    writeFileSync(join(folder, "environment.lock.json"), lockText(wanted));
    writeFileSync(join(folder, "program"), program);
    writeFileSync(join(folder, "data.json"), "{}");
    const files = new Map<string, Uint8Array>();
    const used: string[] = [];
    const input = inputOf(environment, folder, { carried: () => Promise.resolve(carried) });
    const out: BuildOutput = {
      file: (name, from) => {
        files.set(
          name,
          "bytes" in from
            ? from.bytes
            : "text" in from
            ? new TextEncoder().encode(from.text)
            : new Uint8Array(readFileSync(from.path)),
        );
        return Promise.resolve({ name, kind: "oci", bytes: 0, sha256: "" });
      },
      used: ({ name, version, target }) => void used.push(`${name} ${version} ${target}`),
    };
    await ociBuilder.build(input, out);
    return { files, used };
  } finally {
    if (before === undefined) delete process.env["OUTRIDER_DEBIAN_MIRROR"];
    else process.env["OUTRIDER_DEBIAN_MIRROR"] = before;
    await mirror.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Described {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  readonly platform?: { readonly architecture: string };
}

function blob(made: Made, { digest, size }: Described): Uint8Array {
  const [bytes] = [...made.files].filter(([name]) => name.endsWith(digest.replace(":", "/"))).map((
    [, each],
  ) => each);
  assert.ok(bytes, digest);
  assert.equal(bytes.length, size);
  assert.equal(`sha256:${sha256Of(bytes)}`, digest);
  return bytes;
}

function json(made: Made, described: Described) {
  return JSON.parse(new TextDecoder().decode(blob(made, described)));
}

/** The images of a layout, each with its configuration and what is in its layers. */
async function images(made: Made, name = "probe") {
  const layout = JSON.parse(new TextDecoder().decode(made.files.get(`${name}.oci/index.json`)));
  const index = json(made, layout.manifests[0]);
  return await Promise.all((index.manifests as Described[]).map(async (described) => {
    const manifest = json(made, described);
    const config = json(made, manifest.config);
    const layers = await Promise.all((manifest.layers as Described[]).map(async (layer, at) => {
      const tar = gunzipSync(blob(made, layer));
      assert.equal(`sha256:${sha256Of(tar)}`, config.rootfs.diff_ids[at]);
      return await unpackTar(tar, { strict: true });
    }));
    return { platform: described.platform, manifest, config, layers };
  }));
}

test("an image has the system, packages, the program, files and the environment, each in its layer", async () => {
  const made = await build({
    requires: { packages: { debian: ["tool"] } },
    files: { "/opt/probe/data.json": { from: "data.json", mode: "0600" } },
  });
  const [image] = await images(made);
  const files = image!.layers.map((layer) =>
    layer.filter(({ header }) => header.type === "file").map(({ header }) => header.name)
  );
  assert.deepEqual(files, [
    [
      "etc/group",
      "etc/nsswitch.conf",
      "etc/passwd",
      "etc/ssl/certs/ca-certificates.crt",
      "usr/lib/os-release",
      "usr/lib/x86_64-linux-gnu/libc.so.6",
      "usr/share/doc/libc6/copyright",
      "var/lib/dpkg/status.d/ca-certificates",
      "var/lib/dpkg/status.d/libc6",
    ],
    ["usr/bin/tool", "var/lib/dpkg/status.d/tool"],
    ["usr/bin/outrider"],
    ["opt/probe/data.json"],
    ["opt/outrider/environment.json"],
  ]);
  const all = image!.layers.flat();
  const certificates = all.find(({ header }) => header.name.endsWith("certificates.crt"));
  assert.equal(new TextDecoder().decode(certificates?.data), "A\nB\n");
  assert.equal(all.find(({ header }) => header.name.endsWith("data.json"))?.header.mode, 0o600);
  assert.ok(all.every(({ header }) => header.mtime?.getTime() === 0));
  assert.deepEqual(made.used, [
    "deb:ca-certificates 1 linux-x64",
    "deb:libc6 1 linux-x64",
    "deb:tool 1 linux-x64",
  ]);
});

test("an image is run as a user without rights, and says nothing of the device", async () => {
  const [image] = await images(await build({ env: { A: "b" }, version: "1.2" }));
  const { config } = image!.config;
  assert.deepEqual(config.User, "65532:65532");
  assert.deepEqual(config.Entrypoint, ["/usr/bin/outrider"]);
  assert.deepEqual(config.Volumes, { "/var/lib/outrider": {} });
  assert.ok(config.Env.includes("OUTRIDER_ENVIRONMENT=/opt/outrider/environment.json"));
  assert.equal(image!.config.created, "1970-01-01T00:00:00Z");
  assert.equal(config.Labels["org.opencontainers.image.version"], "1.2");
  const state = image!.layers[0]!.find(({ header }) => header.name === "var/lib/outrider/");
  assert.deepEqual([state?.header.uid, state?.header.gid, state?.header.mode], [65532, 65532, 0o750]);
});

test("where only the pipeline changes, only the last layer does", async () => {
  const [one, two] = [await images(await build({}, "one")), await images(await build({}, "two"))];
  const digests = (all: typeof one) =>
    all[0]!.manifest.layers.map(({ digest }: Described) => digest) as string[];
  assert.deepEqual(digests(one).slice(0, -1), digests(two).slice(0, -1));
  assert.notEqual(digests(one).at(-1), digests(two).at(-1));
  const withoutLayers = ({ rootfs: _, ...config }: Record<string, unknown>) => config;
  assert.deepEqual(withoutLayers(one[0]!.config), withoutLayers(two[0]!.config));
});

test("one index has the images of all platforms, and the same digest in any folder on each runtime", async () => {
  const made = await build({ targets: ["linux-x64", "linux-arm64"] });
  const all = await images(made);
  assert.deepEqual(all.map(({ platform }) => platform?.architecture), ["amd64", "arm64"]);
  const again = await build({ targets: ["linux-x64", "linux-arm64"] });
  assert.deepEqual([...made.files].map(([name]) => name), [...again.files].map(([name]) => name));
  const layout = JSON.parse(new TextDecoder().decode(made.files.get("probe.oci/index.json")));
  assert.equal(layout.manifests[0].digest, DIGEST);
});

/** The same on Deno, Node and Bun. A change of what images are changes it. */
const DIGEST = "sha256:d1c68163c7295dcd915cbd61fc0cd1ccc8d0d7e089918089efdf2e4dcc59eb02";

test("a layer is kept by the digest of what it packs, and made anew where it was damaged", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-layer-"));
  try {
    const entries = [fileEntry("a/b", "text"), linkEntry("bin/sh", "dash")];
    const make = () => imageLayer("x", entries, { epoch: 0, cache: folder });
    const { blob: first, diffId } = await make();
    const path = join(folder, "packed", diffId.slice(7));
    const kept = readFileSync(path);
    for (
      const damage of [
        kept.subarray(0, 30),
        Buffer.from(kept.map((byte, at) => at === 20 ? byte ^ 1 : byte)),
      ]
    ) {
      writeFileSync(path, damage);
      assert.deepEqual((await make()).blob, first);
      assert.deepEqual(readFileSync(path), kept);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("no entry leaves the root, and none goes through a link", () => {
  for (const path of ["../a", "a/../../b", "/a/..", "a\0b", "a\\b", `a/${"x".repeat(5_000)}`]) {
    assert.throws(() => rootPath(path), { code: "OUTRIDER_ROOT" }, path);
  }
  assert.equal(rootPath("/lib//x/./y"), "usr/lib/x/y");
  assert.throws(
    () => rootTree([linkEntry("a", "/etc"), fileEntry("a/passwd", "root")]),
    /which is no folder/,
  );
  assert.throws(() => rootTree([fileEntry("a", ""), fileEntry("a/b", "")]), /which is no folder/);
  const tree = rootTree([
    fileEntry("b/c/d", "1"),
    fileEntry("b/c/d", "2"),
    folderEntry("b", 0o700),
    fileEntry("a", ""),
  ]);
  assert.deepEqual(tree.map(({ path }) => path), ["a", "b", "b/c", "b/c/d"]);
  assert.equal(tree[1]?.type === "folder" && tree[1].mode, 0o700);
});

test("long names and many files are packed as they are", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-layer-"));
  try {
    const long = `a/${"b/".repeat(80)}${"c".repeat(180)}/${"d".repeat(90)}-é`;
    const target = `../${"x".repeat(200)}`;
    const { blob: layer } = await imageLayer("x", [fileEntry(long, "1"), linkEntry("l", target)], {
      epoch: 0,
      cache: folder,
    });
    const entries = await unpackTar(gunzipSync((layer.from as { readonly bytes: Uint8Array }).bytes), {
      strict: true,
    });
    assert.ok(entries.some(({ header }) => header.name === long));
    assert.equal(entries.find(({ header }) => header.name === "l")?.header.linkname, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what can't be made into an image is said before anything is written", async () => {
  await assert.rejects(
    build({ targets: ["darwin-arm64"] }),
    /linux-x64 and linux-arm64, and not for darwin-arm64/,
  );
});

test("an image stands on another, whose layers and variables it takes as they are", async () => {
  await withLayout(
    await build({ targets: ["linux-x64", "linux-arm64"], name: "base" }),
    async (layout, base) => {
      const made = await build({ base: layout }, "on a base");
      const [below] = await images(base, "base");
      const [above] = await images(made);
      const count = below!.manifest.layers.length;
      assert.deepEqual(above!.manifest.layers.slice(0, count), below!.manifest.layers);
      assert.deepEqual(above!.config.rootfs.diff_ids.slice(0, count), below!.config.rootfs.diff_ids);
      assert.deepEqual(above!.config.config.Env, below!.config.config.Env);
      const files = above!.layers.slice(count).flat().filter(({ header }) => header.type === "file");
      assert.deepEqual(files.map(({ header }) => header.name), [
        "usr/bin/outrider",
        "opt/outrider/environment.json",
      ]);
    },
  );
});

/** Folders as the last layer that names each has them. */
function foldersOf(layers: Awaited<ReturnType<typeof images>>[number]["layers"]) {
  const found = new Map<string, string>();
  for (const { header: { name, type, mode = 0, uid, gid } } of layers.flat()) {
    if (type === "directory") found.set(name, `${mode.toString(8)} ${uid}:${gid}`);
  }
  return found;
}

test("files of an environment leave the folders that they lie in as they are, whoever brings those", async () => {
  const files = Object.fromEntries(
    ["/tmp/a", "/var/tmp/a/b", "/var/lib/outrider/a/b", "/etc/probe/a"].map((path) => [path, {
      from: "data.json",
    }]),
  );
  const [image] = await images(await build({ files }));
  assert.ok(image!.layers.slice(1).flat().some(({ header }) => header.name === "tmp/a"));
  const is = foldersOf(image!.layers);
  assert.deepEqual(
    ["tmp/", "var/tmp/", "var/lib/outrider/", "var/lib/outrider/a/", "etc/probe/"].map((name) =>
      is.get(name)
    ),
    ["1777 0:0", "1777 0:0", "750 65532:65532", "755 0:0", "755 0:0"],
  );
});

test("what is put on top of a root names folders as they are below, and goes through no link and no file", () => {
  const below = new Below([
    { type: "folder", path: "home/app", mode: 0o2750, owner: 7, group: 8 },
    linkEntry("var/run", "/run"),
  ]);
  const put = (...paths: string[]) =>
    below.put(paths.map((path) => fileEntry(path, ""))).map(({ path }) => path);
  assert.deepEqual(put("home/app/a", "new/b"), ["home/app", "home/app/a", "new/b"]);
  assert.throws(() => put("var/run/a"), /"var\/run\/a" lies below "var\/run", which is no folder/);
  assert.throws(() => put("home/app/a/b"), /which is no folder/);
  const [first, second] = [folderEntry("home/app", 0o700, 9), folderEntry("home/app", 0o755)];
  assert.deepEqual(below.put([first]), [first], "our own word counts more than that of a base");
  assert.deepEqual(below.put([second]), [first], "and the first of ours more than a later one");
});

/** An archive with folders that are not root's alone, plain and as gzip and Zstandard pack it. */
const BASE_TAR = await packTar([
  { header: { name: "home/app/", type: "directory", mode: 0o1770, uid: 1000, gid: 1001, size: 0 } },
  { header: { name: "var/run", type: "symlink", linkname: "/run", size: 0 } },
  { header: { name: "bin/sh", type: "file", size: 3 }, body: "sh\n" },
]);

test("on a base, folders stay as its layers have them, however those are packed", async () => {
  const zstd = (tar: Uint8Array) => {
    // One block, as it is: its size, and that it is the last.
    const block = tar.length << 3 | 1;
    const size = new Uint8Array(new Uint32Array([tar.length]).buffer);
    return Uint8Array.of(
      0x28,
      0xb5,
      0x2f,
      0xfd,
      0xa0,
      ...size,
      block & 255,
      block >> 8 & 255,
      block >> 16,
      ...tar,
    );
  };
  for (const pack of [(tar: Uint8Array) => tar, gzipSync, zstd]) {
    const layer = pack(BASE_TAR);
    const described = (mediaType: string, bytes: Uint8Array) => ({
      mediaType,
      digest: `sha256:${sha256Of(bytes)}`,
      size: bytes.length,
    });
    const text = (value: object) => new TextEncoder().encode(JSON.stringify(value));
    const config = text({
      architecture: "amd64",
      os: "linux",
      rootfs: { diff_ids: [`sha256:${sha256Of(BASE_TAR)}`] },
    });
    const manifest = text({
      config: described("application/vnd.oci.image.config.v1+json", config),
      layers: [described("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    const index = text({ manifests: [described("application/vnd.oci.image.manifest.v1+json", manifest)] });
    const files = new Map<string, Uint8Array>([["base.oci/index.json", index]]);
    for (const bytes of [layer, config, manifest]) {
      files.set(`base.oci/blobs/sha256/${sha256Of(bytes)}`, bytes);
    }
    await withLayout({ files, used: [] }, async (base) => {
      const put = (path: string) => build({ base, files: { [path]: { from: "data.json" } } });
      const made = await put("/home/app/data.json");
      const { manifests } = JSON.parse(new TextDecoder().decode(made.files.get("probe.oci/index.json")));
      const [image] = json(made, manifests[0]).manifests;
      const layers = json(made, image).layers.slice(1) as Described[];
      const entries = await Promise.all(layers.map((each) => unpackTar(gunzipSync(blob(made, each)))));
      assert.equal(foldersOf(entries).get("home/app/"), "1770 1000:1001");
      await assert.rejects(put("/var/run/x"), /"var\/run\/x" lies below "var\/run", which is no folder/);
    });
  }
});

test("a base that is not whole, or for another platform, is refused", async () => {
  await withLayout(await build({ name: "base" }), async (layout, base) => {
    const refused = (error: RegExp, given: Partial<EnvironmentDocument> = {}) =>
      assert.rejects(build({ base: layout, ...given }), error);
    await refused(/it has no image for linux on arm64/, { targets: ["linux-arm64"] });
    await refused(/Packages are put onto no base but our own/, { requires: { python: ["numpy"] } });
    await refused(/Packages are put onto no base but our own/, {
      requires: { packages: { debian: [] }, python: ["numpy"] },
    });
    const [{ manifest }] = await images(base, "base") as [Awaited<ReturnType<typeof images>>[number]];
    const layer = join(layout, "blobs", manifest.layers[0].digest.replace(":", "/"));
    const bytes = readFileSync(layer);
    writeFileSync(layer, bytes.subarray(1));
    await refused(/is not whole, or was changed/);
    rmSync(layer);
    await refused(/sha256:\w+ can't be read/);
    writeFileSync(join(layout, "index.json"), '{"manifests":[{"digest":"sha256:../../../etc/passwd"}]}');
    await refused(/it is no image layout/);
    writeFileSync(join(layout, "index.json"), "<html>");
    await refused(/index.json can't be read/);
  });
});

/** Writes an image onto the disk. */
async function withLayout(made: Made, fn: (layout: string, made: Made) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-base-"));
  try {
    for (const [name, bytes] of made.files) {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes);
    }
    await fn(join(folder, "base.oci"), made);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
