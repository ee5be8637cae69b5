/** The client of registries: what is pushed comes back, whatever the line and the registry do. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Buffer } from "node:buffer";
import { readMade } from "../../src/environment/made.ts";
import { dockerCredentials } from "../../src/environment/registry/credentials.ts";
import { pullImage, pullMade, pushMade, recordOf } from "../../src/environment/registry/deliver.ts";
import { challengeIn } from "../../src/environment/registry/line.ts";
import { repositoriesOf, tagsOf } from "../../src/environment/registry/lists.ts";
import { blobOf, manifestOf, referrersOf } from "../../src/environment/registry/pull.ts";
import { sendBlob } from "../../src/environment/registry/push.ts";
import { referenceIn, referenceText } from "../../src/environment/registry/reference.ts";
import type { RegistryLine } from "../../src/environment/registry/line.ts";
import { bytesOf, digestOf, type Registry, withRegistry } from "../gateway/registry_rig.ts";
import { withFiles } from "../rig.ts";
import { seeded } from "../uplink/rig.ts";
import { SEED } from "../seed.ts";
import { type Between, buildInto, counted, cutAfter, delivery, lineTo } from "./registry_rig.ts";

const use = (work: (registry: Registry, folder: string) => Promise<void>) => () =>
  withRegistry((registry) => withFiles({}, (folder) => work(registry, folder)));

async function pulled(line: RegistryLine, folder: string, wanted = {}) {
  const found = (await manifestOf(line, "probe", "latest"))!;
  const made = (await recordOf({ line, repository: "probe" }, found))!;
  return await pullMade(delivery(line, folder), found, { ...made, ...wanted });
}

async function whole(line: RegistryLine, content: Uint8Array, from = 0, size = content.length) {
  const pieces: Uint8Array[] = [];
  const blob = { digest: digestOf(content), size };
  for await (const piece of blobOf(line, "probe", { blob, from })) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("registry client: references are read, and what is none is told", () => {
  const cases: [string, string | undefined, string][] = [
    ["probe", undefined, "probe"],
    ["lab/probe:2", undefined, "lab/probe:2"],
    ["localhost/probe", "http://localhost", "localhost/probe"],
    ["127.0.0.1:5000/a/probe:2", "http://127.0.0.1:5000", "127.0.0.1:5000/a/probe:2"],
    ["ghcr.io/me/probe", "https://ghcr.io", "ghcr.io/me/probe"],
    ["http://10.0.0.2:80/probe:x", "http://10.0.0.2:80", "10.0.0.2:80/probe:x"],
    ["docker.io/library/debian:12", "https://registry-1.docker.io", "registry-1.docker.io/library/debian:12"],
    [`probe:2@${digestOf("")}`, undefined, `probe:2@${digestOf("")}`],
  ];
  for (const [text, registry, said] of cases) {
    const reference = referenceIn(text);
    assert.deepEqual([reference.registry, referenceText(reference)], [registry, said]);
  }
  for (
    const bad of [
      "",
      "Probe",
      "a b",
      "probe:",
      "probe:-",
      "probe@sha256:1",
      "user@host.x/probe",
      "host.x:99999/p",
      "../x",
    ]
  ) {
    assert.throws(() => referenceIn(bad), { code: "OUTRIDER_REGISTRY" }, bad);
  }
});

test(
  "registry client: what was built is pushed once, and comes back file by file, or what of it is wanted",
  use(async (registry, folder) => {
    const [from, to, part] = ["from", "to", "part"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const record = buildInto(from);
    const line = lineTo(registry);
    const first = await pushMade(delivery(line, from));
    assert.deepEqual(first.tags, ["1.2.0", "latest"]);
    const again = await pushMade(delivery(line, from));
    assert.deepEqual([again.digest, again.sentBytes, again.knownBytes > 600_000], [first.digest, 0, true]);
    assert.deepEqual([await repositoriesOf(line), await tagsOf(line, "probe")], [["probe"], [
      "1.2.0",
      "latest",
    ]]);
    const none = delivery(line, join(folder, "none"));
    await assert.rejects(pushMade(none), { code: "OUTRIDER_REGISTRY", message: /has no environment\.made/ });
    const file = join(from, "environment.made.json");
    await assert.rejects(pulled(line, file), { code: "OUTRIDER_ENVIRONMENT", message: /It can't be done: / });
    assert.deepEqual(readMade(readFileSync(file, "utf8"), file), record);
    await pulled(line, to);
    const names = [
      ...record.files.map(({ name }) => name),
      "environment.made.json",
      "environment.made.json.minisig",
      "probe.cdx.json",
    ];
    for (const name of names) {
      assert.deepEqual(readFileSync(join(to, name)), readFileSync(join(from, name)), name);
    }
    assert.equal(statSync(join(to, "probe-linux-x64")).mode & 0o111, 0o111);
    // What vouched for what was here before says nothing of what came.
    writeFileSync(join(to, "environment.intoto.json.minisig"), "old");
    await pulled(line, to);
    assert.equal(existsSync(join(to, "environment.intoto.json.minisig")), false);
    assert.equal(existsSync(join(to, "environment.made.json.minisig")), true);
    assert.equal(readdirSync(to).some((name) => name.endsWith(".part")), false);
    const some = await pulled(line, part, { kinds: ["executable"], targets: ["linux-arm64"] });
    assert.deepEqual(some.map(({ name }) => name), ["probe-linux-arm64"]);
    await assert.rejects(
      pulled(line, part, { kinds: ["vm"] }),
      /it has script, executable linux-arm64, executable linux-x64, oci/,
    );
    // Whoever looks for an image finds one of the two platforms, and nothing else.
    const { manifest } = (await manifestOf(line, "probe", "latest"))!;
    assert.deepEqual(
      manifest.manifests.map(({ platform }) => platform?.architecture),
      ["amd64", "arm64", ...Array(manifest.manifests.length - 2).fill("unknown")],
    );
    const types = (await Array.fromAsync(referrersOf(line, "probe", { digest: first.digest }))).map((
      { artifactType },
    ) => artifactType);
    assert.deepEqual(types.sort(), [
      "application/vnd.cyclonedx+json",
      "application/vnd.outrider.signature.v1",
    ]);
  }),
);

test(
  "registry client: over a line that is cut ten times, next to nothing comes twice, either way",
  use(async (registry) => {
    const content = bytesOf(2_000_000);
    const random = seeded(SEED);
    let [cuts, came] = [0, 0];
    const between: Between = async (request, answer) => {
      const response = await answer();
      if (request.method !== "GET" || !response.body) return response;
      const next = cuts++ < 10 ? cutAfter(response, 1 + Math.floor(random() * 250_000)) : response;
      return new Response(counted(next.body!, (bytes) => came += bytes), next);
    };
    await registry.blob(content, "probe");
    assert.deepEqual(await whole(lineTo(registry, { between }), content), Buffer.from(content));
    assert.ok(cuts >= 10, `${cuts} cuts`);
    assert.ok(came <= content.length * 1.05, `${came} bytes for ${content.length}`);

    // Up the line: what of a piece has arrived is not sent again.
    const other = bytesOf(9_000_001);
    let [sent, broken] = [0, 0];
    const up: Between = async (request, answer) => {
      if (request.method !== "PATCH" || broken >= 10) {
        sent += request.method === "PATCH" ? (await request.clone().arrayBuffer()).byteLength : 0;
        return await answer();
      }
      broken++;
      const bytes = new Uint8Array(await request.clone().arrayBuffer());
      const some = bytes.slice(0, Math.floor(random() * bytes.length));
      sent += some.length;
      await registry.app.request(request.url, { method: "PATCH", body: some });
      throw new TypeError("fetch failed");
    };
    const blob = {
      digest: digestOf(other),
      size: other.length,
      read: (at: number, most: number) => Promise.resolve(other.slice(at, at + most)),
    };
    assert.equal(await sendBlob(lineTo(registry, { between: up }), "probe", { blob }), true);
    assert.equal(broken, 10);
    assert.ok(sent <= other.length * 1.05, `${sent} bytes for ${other.length}`);
    assert.equal(await sendBlob(lineTo(registry), "probe", { blob }), false);
  }),
);

test(
  "registry client: a registry that lies is not believed, and nothing of it stays",
  use(async (registry, folder) => {
    const content = bytesOf(100_000);
    await registry.blob(content, "probe");
    const spoiled = (spoil: (answer: Response, request: Request) => Promise<Response> | Response) =>
      lineTo(registry, { between: async (request, answer) => await spoil(await answer(), request) });
    const withLength = (length: string) => (answer: Response) =>
      new Response(answer.body, { status: answer.status, headers: { "content-length": length } });
    const rejected = (line: RegistryLine, why: RegExp, from = 0) =>
      assert.rejects(whole(line, content, from), { code: "OUTRIDER_REGISTRY", message: why });
    await rejected(spoiled(withLength("99999")), /with 99999 bytes instead of 100000/);
    await rejected(spoiled(withLength(String(1024 ** 4))), /with 1099511627776 bytes instead of/);
    const endless = new ReadableStream<Uint8Array>({ pull: (to) => to.enqueue(new Uint8Array(64_000)) });
    await rejected(spoiled(() => new Response(endless)), /More comes of sha256:.* than its 100000 bytes/);
    const part = (range: string) => (answer: Response) =>
      new Response(answer.body, { status: 206, headers: { "content-range": range } });
    await rejected(spoiled(part("bytes 0-99999/100000")), /and not with what is behind byte 5/, 5);
    await rejected(spoiled(part("bytes 5-99999/99999")), /and not with what is behind byte 5/, 5);
    await rejected(spoiled(() => new Response("no", { status: 403 })), /answered 403: no: give a token/);
    // One that sends nothing, again and again, is given up.
    await rejected(spoiled((answer) => cutAfter(answer, 0)), /The line to .* broke/);
    await rejected(spoiled(() => new Response("<html>", { status: 502 })), /answered 502: a web page/);
    // Who can't begin in the midst begins anew, and what is here already is passed over.
    const anew = spoiled(() => new Response(content));
    assert.deepEqual(await whole(anew, content, 70_000), Buffer.from(content.slice(70_000)));

    const [from, to] = ["from", "to"].map((name) => join(folder, name)) as [string, string];
    buildInto(from);
    await pushMade(delivery(lineTo(registry), from));
    const wrong = spoiled((answer, { url, method }) => {
      if (!url.includes(digestOf(bytesOf(300_000))) || method !== "GET") return answer;
      return new Response(new Uint8Array(300_000));
    });
    await assert.rejects(
      pulled(wrong, to),
      /What came of probe-linux-x64 has the digest sha256:.*: it is not/,
    );
    assert.deepEqual(readdirSync(to).filter((name) => name.startsWith("probe-linux-x64")), []);
    assert.equal(readdirSync(to).includes("environment.made.json"), false);
    const other = spoiled((answer, { url }) =>
      url.includes("/manifests/sha256") ? new Response("{}", answer) : answer
    );
    await assert.rejects(pulled(other, to), /which was not asked for/);
    const noManifest = spoiled((answer, { url }) =>
      url.includes("/manifests/") ? new Response("[]", answer) : answer
    );
    await assert.rejects(pulled(noManifest, to), /no manifest: the whole has to be an object/);
    // What was fetched before goes on, and all of it comes right.
    await pulled(lineTo(registry), to);
    assert.deepEqual(readFileSync(join(to, "probe-linux-x64")), readFileSync(join(from, "probe-linux-x64")));
  }),
);

test(
  "registry client: a file that was cut off goes on, and one that is here is not fetched",
  use(async (registry, folder) => {
    const [from, to] = ["from", "to"].map((name) => join(folder, name)) as [string, string];
    buildInto(from);
    await pushMade(delivery(lineTo(registry), from));
    const ranges: string[] = [];
    const watched = lineTo(registry, {
      between: (request, answer) => {
        if (request.url.includes("/blobs/")) ranges.push(request.headers.get("range") ?? "all");
        return answer();
      },
    });
    const wanted = { kinds: ["executable"], targets: ["linux-x64"] };
    mkdirSync(to);
    const content = bytesOf(300_000);
    const part = `probe-linux-x64.${digestOf(content).slice(7, 19)}.part`;
    writeFileSync(join(to, part), content.slice(0, 200_000));
    await pulled(watched, to, wanted);
    assert.ok(ranges.includes("bytes=200000-"), ranges.join());
    assert.deepEqual(readFileSync(join(to, "probe-linux-x64")), Buffer.from(content));
    ranges.length = 0;
    await pulled(watched, to, wanted);
    // The record, its signature and the list of what is in it.
    assert.deepEqual(ranges, ["all", "all", "all"]);
  }),
);

test(
  "registry client: an image of others is pulled for its platform, and a foreign one is refused",
  use(async (registry, folder) => {
    const { blob, manifest } = registry;
    const images: object[] = [];
    for (const architecture of ["amd64", "arm64"]) {
      const config = JSON.stringify({ os: "linux", architecture });
      await blob(config, "probe");
      await blob(architecture, "probe");
      const descriptor = (content: string, mediaType: string) => ({
        mediaType,
        digest: digestOf(content),
        size: content.length,
      });
      const image = {
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
        layers: [descriptor(architecture, "application/vnd.oci.image.layer.v1.tar")],
      };
      await manifest(architecture, image, "probe");
      const text = JSON.stringify(image);
      images.push({ ...descriptor(text, image.mediaType), platform: { os: "linux", architecture } });
    }
    const mediaType = "application/vnd.oci.image.index.v1+json";
    await manifest("all", { schemaVersion: 2, mediaType, manifests: images }, "probe");
    const line = lineTo(registry);
    const pull = async (tag: string, architecture: string, to: string) =>
      await pullImage(delivery(line, join(folder, to)), (await manifestOf(line, "probe", tag))!, {
        os: "linux",
        architecture,
      });
    const image = await pull("all", "arm64", "a");
    assert.equal(readFileSync(join(folder, "a/blobs/sha256", digestOf("arm64").slice(7)), "utf8"), "arm64");
    const index = JSON.parse(readFileSync(join(folder, "a/index.json"), "utf8"));
    assert.equal(index.manifests[0].digest, image.digest);
    await assert.rejects(
      pull("all", "riscv64", "b"),
      /probe is for linux\/amd64, linux\/arm64, and not for linux\/riscv64/,
    );
    await assert.rejects(pull("amd64", "arm64", "b"), /probe is for linux\/amd64, and not for linux\/arm64/);
  }),
);

test(
  "registry client: a token goes to the registry and to nobody else, whatever it answers",
  use(async (registry) => {
    const content = bytesOf(1000);
    const digest = await registry.blob(content, "probe");
    const seen: [string, string | null][] = [];
    const redirect = (to: string, status = 307) =>
      lineTo(registry, {
        url: "https://registry.example",
        credentials: { token: "secret" },
        between: (request, answer) => {
          const { origin, pathname } = new URL(request.url);
          seen.push([origin, request.headers.get("authorization")]);
          if (origin !== "https://registry.example") return answer();
          return new Response(null, { status, headers: { location: to.replace("PATH", pathname) } });
        },
      });
    assert.deepEqual(await whole(redirect("https://cdn.examplePATH"), content), Buffer.from(content));
    assert.deepEqual(seen, [["https://registry.example", "Bearer secret"], ["https://cdn.example", null]]);
    await assert.rejects(
      whole(redirect("http://cdn.examplePATH"), content),
      /redirected from https to http/,
    );
    await assert.rejects(whole(redirect("file:///etc/passwd"), content), /which is not followed/);
    await assert.rejects(
      whole(redirect("https://registry.examplePATH"), content),
      /redirected more than 5 times/,
    );
    assert.equal(digest, digestOf(content));

    // What names the place of an upload elsewhere gets bytes there, and no token.
    seen.length = 0;
    const elsewhere = lineTo(registry, {
      url: "https://registry.example",
      credentials: { token: "secret" },
      between: async (request, answer) => {
        seen.push([new URL(request.url).origin, request.headers.get("authorization")]);
        const found = await answer();
        const location = found.headers.get("location");
        if (request.method !== "POST" || location === null) return found;
        return new Response(null, { status: 202, headers: { location: `https://store.example${location}` } });
      },
    });
    const blob = {
      digest: digestOf("up"),
      size: 2,
      read: () => Promise.resolve(new TextEncoder().encode("up")),
    };
    await sendBlob(elsewhere, "probe", { blob });
    assert.deepEqual(seen.at(-1), ["https://store.example", null]);
  }),
);

test(
  "registry client: it identifies itself as it is asked to: by a password, or by a token got for one",
  use(async (registry) => {
    const content = bytesOf(10);
    await registry.blob(content, "probe");
    const asked: string[] = [];
    const credentials = { user: "me", password: "pässword" };
    const guarded = (challenge: string, wanted: string, realm = "https://auth.example") =>
      lineTo(registry, {
        credentials,
        between: (request, answer) => {
          const { origin, searchParams } = new URL(request.url);
          const given = request.headers.get("authorization") ?? "";
          asked.push(`${origin} ${given}`);
          if (origin === realm) {
            assert.deepEqual([searchParams.get("scope"), searchParams.get("service")], [
              "repository:probe:pull",
              "reg",
            ]);
            return Response.json({ token: "got" });
          }
          if (given === wanted) return answer();
          return new Response("{}", { status: 401, headers: { "www-authenticate": challenge } });
        },
      });
    const basic = "Basic bWU6cMOkc3N3b3Jk";
    assert.deepEqual(await whole(guarded('Basic realm="x"', basic), content), Buffer.from(content));
    const bearer = (realm: string) =>
      `Bearer realm="${realm}/token",service="reg",scope="repository:probe:pull"`;
    assert.deepEqual(
      await whole(guarded(bearer("https://auth.example"), "Bearer got"), content),
      Buffer.from(content),
    );
    assert.ok(asked.includes(`https://auth.example ${basic}`));
    asked.length = 0;
    await assert.rejects(
      whole(guarded(bearer("http://auth.example"), "Bearer got"), content),
      /without TLS: not done/,
    );
    assert.ok(!asked.some((each) => each.startsWith("http://auth.example")));
    await assert.rejects(whole(guarded('Basic realm="x"', "Basic other"), content), /answered 401/);
    await assert.rejects(whole(guarded("Negotiate", "x"), content), /answered 401/);
    assert.deepEqual(challengeIn('Bearer realm="https://a/?x=1,2", service=b'), {
      scheme: "bearer",
      parameters: { realm: "https://a/?x=1,2", service: "b" },
    });
    const config = { auths: { "reg.example": { auth: btoa("u:p:q") }, "bad.example": { auth: "!" } } };
    const kept = (registry: string) =>
      dockerCredentials(registry, {
        env: (name) => name === "HOME" ? "/home/u" : undefined,
        readText: (path) =>
          Promise.resolve(path === "/home/u/.docker/config.json" ? JSON.stringify(config) : ""),
      });
    assert.deepEqual(await kept("https://reg.example"), { user: "u", password: "p:q" });
    assert.deepEqual([await kept("https://bad.example"), await kept("https://other.example")], [
      undefined,
      undefined,
    ]);
  }),
);

test(
  "registry client: where there is no list of referrers, one is kept under a tag",
  use(async (registry, folder) => {
    buildInto(folder, 10);
    const old = lineTo(registry, {
      between: async (request, answer) => {
        if (request.url.includes("/referrers/")) return new Response("404 page not found", { status: 404 });
        const found = await answer();
        found.headers.delete("oci-subject");
        return found;
      },
    });
    const { digest } = await pushMade(delivery(old, folder));
    await pushMade(delivery(old, folder));
    assert.ok((await tagsOf(old, "probe")).includes(digest.replace(":", "-")));
    const found = await Array.fromAsync(referrersOf(old, "probe", { digest }));
    assert.equal(found.length, 2);
    const bills = referrersOf(old, "probe", { digest, type: "application/vnd.cyclonedx+json" });
    const [one] = await Array.fromAsync(bills);
    assert.equal(one?.artifactType, "application/vnd.cyclonedx+json");
  }),
);
