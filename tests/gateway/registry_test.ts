/** The registry in the gateway: what the OCI distribution specification says, limits, garbage, and who may do what. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import test from "node:test";
import { Blobs } from "../../src/gateway/registry/blobs.ts";
import { Tokens } from "../../src/gateway/tokens.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { DOCKER_IMAGE, INDEX } from "../../src/model/oci.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { artifact, brokenBody, bytesOf, codesOf, digestOf, withRegistry } from "./registry_rig.ts";

const HALF = { duplex: "half" } as RequestInit;
const HOUR = 3_600_000;

test("registry: a blob is asked for by its digest, whole, in part and not at all if known", () =>
  withRegistry(async ({ ask, blob }) => {
    assert.equal(await (await ask(`/v2/a/b/blobs/${await blob("1")}`)).text(), "1");
    for (const size of [0, 10, 200_000]) {
      const content = bytesOf(size);
      const digest = await blob(content);
      const get = (headers: Record<string, string> = {}, method = "GET") =>
        ask(`/v2/a/b/blobs/${digest}`, { headers, method });
      const whole = await get();
      assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), content);
      assert.equal(whole.headers.get("docker-content-digest"), digest);
      assert.match(whole.headers.get("cache-control")!, /immutable/);
      const etag = whole.headers.get("etag")!;
      assert.equal((await get({ "if-none-match": `"x", ${etag}` })).status, 304);
      const head = await get({}, "HEAD");
      assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [
        200,
        `${size}`,
        "",
      ]);
      if (size === 0) continue;
      const parts: [string, number, number][] = [
        ["bytes=3-", 3, size],
        ["bytes=3-5", 3, 6],
        ["bytes=-4", size - 4, size],
        ["bytes=5-999999999", 5, size],
        ["bytes=-999999999", 0, size],
      ];
      for (const [range, from, to] of parts) {
        const part = await get({ range });
        assert.equal(part.status, 206, range);
        assert.equal(part.headers.get("content-range"), `bytes ${from}-${to - 1}/${size}`);
        assert.deepEqual(new Uint8Array(await part.arrayBuffer()), content.slice(from, to));
      }
      assert.equal((await get({ range: "bytes=3-", "if-range": etag })).status, 206);
      for (const all of ["bytes=5-3", "bytes=1-2,4-5", "lines=1-2", "bytes=-"]) {
        assert.equal((await get({ range: all })).status, 200, all);
      }
      assert.equal((await get({ range: "bytes=3-", "if-range": '"other"' })).status, 200);
      const beyond = await get({ range: `bytes=${size}-` });
      assert.equal(beyond.headers.get("content-range"), `bytes */${size}`);
      assert.equal(await codesOf(beyond), "416 RANGE_INVALID");
    }
    assert.equal(await codesOf(await ask(`/v2/a/b/blobs/${digestOf("none")}`)), "404 BLOB_UNKNOWN");
    assert.equal(await codesOf(await ask("/v2/a/b/blobs/sha256:12")), "400 DIGEST_INVALID");
    assert.equal(await codesOf(await ask(`/v2/A/blobs/${digestOf("")}`)), "400 NAME_INVALID");
  }));

test("registry: an upload goes on where it was cut off, also by a gateway that was started anew", () =>
  withRegistry(async (first) => {
    const content = bytesOf(100_000);
    const digest = digestOf(content);
    const path = await first.begin();
    const send = (ask: typeof first.ask, from: number, body: BodyInit, to = 99_999) =>
      ask(path, { method: "PATCH", body, headers: { "content-range": `${from}-${to}` }, ...HALF });
    const cut = await send(first.ask, 0, brokenBody(content.slice(0, 30_000)));
    assert.equal(cut.status, 400);
    const asked = await first.ask(path);
    assert.deepEqual([asked.status, asked.headers.get("range")], [204, "0-29999"]);
    const wrong = await send(first.ask, 20_000, content.slice(20_000));
    assert.deepEqual([wrong.headers.get("range"), await codesOf(wrong)], [
      "0-29999",
      "416 BLOB_UPLOAD_INVALID",
    ]);
    const { ask } = first.again();
    assert.equal((await ask(path)).headers.get("range"), "0-29999");
    const next = await send(ask, 30_000, content.slice(30_000, 60_000), 59_999);
    assert.deepEqual([next.status, next.headers.get("range")], [202, "0-59999"]);
    // Without a range a piece comes at the end, as docker sends it.
    const last = await ask(`${path}?digest=${digest}`, { method: "PUT", body: content.slice(60_000) });
    assert.equal(last.status, 201);
    assert.equal(last.headers.get("location"), `/v2/a/b/blobs/${digest}`);
    const got = await ask(`/v2/a/b/blobs/${digest}`);
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), content);
    assert.equal(await codesOf(await ask(path)), "404 BLOB_UPLOAD_UNKNOWN");
    assert.equal(
      await codesOf(await ask(`${await first.begin()}`, { method: "PUT", body: "x" })),
      "400 DIGEST_INVALID",
    );
  }));

test("registry: a blob comes in one request, is mounted from elsewhere, and its upload can be given up", () =>
  withRegistry(async ({ ask, begin, folder }) => {
    const digest = digestOf("abc");
    const start = (query: string, body?: string) =>
      ask(`/v2/a/b/blobs/uploads/?${query}`, { method: "POST", ...(body !== undefined && { body }) });
    assert.equal((await start(`mount=${digest}&from=c`)).status, 202);
    assert.equal((await start(`digest=${digest}`, "abc")).status, 201);
    const mounted = await start(`mount=${digest}&from=c`);
    assert.deepEqual([mounted.status, mounted.headers.get("docker-content-digest")], [201, digest]);
    const path = await begin();
    assert.equal((await ask(path, { method: "DELETE" })).status, 204);
    assert.equal(await codesOf(await ask(path)), "404 BLOB_UPLOAD_UNKNOWN");
    assert.equal(
      await codesOf(await ask(`/v2/a/b/blobs/${digest}`, { method: "DELETE" })),
      "405 UNSUPPORTED",
    );
    assert.equal(readdirSync(`${folder}/uploads`).length, 1);
  }));

test("registry: bytes with another digest are kept nowhere", () =>
  withRegistry(async ({ ask, begin, folder }) => {
    const path = await begin();
    const wrong = await ask(`${path}?digest=${digestOf("abc")}`, { method: "PUT", body: "abd" });
    assert.equal(await codesOf(wrong), "400 DIGEST_INVALID");
    assert.equal((await ask(`/v2/a/b/blobs/${digestOf("abc")}`)).status, 404);
    assert.equal((await ask(`/v2/a/b/blobs/${digestOf("abd")}`)).status, 404);
    assert.deepEqual(readdirSync(`${folder}/uploads`), []);
  }));

test("registry: a later request goes on with an upload, and the one before it lets go", () =>
  withRegistry(async ({ ask, begin, blob }) => {
    const path = await begin();
    const came = Promise.withResolvers<void>();
    const stuck = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("abc"));
        came.resolve();
        return new Promise(() => {});
      },
    }, { highWaterMark: 0 });
    const first = ask(path, { method: "PATCH", body: stuck, ...HALF });
    await came.promise;
    assert.equal((await ask(path)).status, 204);
    assert.equal(await codesOf(await first), "409 OVERTAKEN");
    // Two that push the same blob at the same time do not meet.
    const both = await Promise.all([blob(bytesOf(50_000)), blob(bytesOf(50_000))]);
    assert.equal(both[0], both[1]);
    assert.equal((await ask(`/v2/a/b/blobs/${both[0]}`)).status, 200);
  }));

test("registry: two that begin one upload at the same time go on with the same", () =>
  withRegistry(async ({ folder, store, clock }) => {
    const second = Promise.withResolvers<void>();
    let opened = 0;
    const files: typeof runtime = {
      ...runtime,
      openFile: async (...how) => {
        if (++opened === 2) await second.promise;
        return await runtime.openFile(...how);
      },
    };
    const blobs = new Blobs({ files, folder }, { catalog: store.catalog, clock });
    const both = [blobs.begin("u", 10), blobs.begin("u", 10)];
    await Promise.race(both);
    assert.equal(await blobs.append("u", 0, (take) => take(bytesOf(5))), 5);
    second.resolve();
    await Promise.all(both);
    assert.equal(await blobs.held("u"), 5);
  }));

test("registry: a manifest is taken as it is, with all that it refers to, and found by tag and digest", () =>
  withRegistry(async ({ ask, blob, manifest }) => {
    const whole = artifact(["abc"]);
    assert.equal(await codesOf(await manifest("v1", whole)), "400 MANIFEST_BLOB_UNKNOWN");
    await blob("{}");
    await blob("abc");
    const digest = digestOf(JSON.stringify(whole));
    const put = await manifest("v1", whole);
    assert.deepEqual([put.status, put.headers.get("docker-content-digest")], [201, digest]);
    for (const reference of ["v1", digest]) {
      const got = await ask(`/v2/a/b/manifests/${reference}`);
      assert.equal(await got.text(), JSON.stringify(whole));
      assert.equal(/immutable/.test(got.headers.get("cache-control")!), reference === digest);
      const head = await ask(`/v2/a/b/manifests/${reference}`, { method: "HEAD" });
      assert.equal(head.headers.get("content-length"), String(JSON.stringify(whole).length));
      const known = await ask(`/v2/a/b/manifests/${reference}`, {
        headers: { "if-none-match": `"${digest}"` },
      });
      assert.equal(known.status, 304);
    }
    const size = JSON.stringify(whole).length;
    const index = (more: object) => ({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size, ...more }],
    });
    assert.equal((await manifest("all", index({}))).status, 201);
    const cases: [string, string, object][] = [
      ["MANIFEST_UNKNOWN", "all", index({ digest: digestOf("other") })],
      ["MANIFEST_UNKNOWN", "all", index({ size: size + 1 })],
      ["MANIFEST_BLOB_UNKNOWN", "v2", artifact([], { layers: [{ digest: digestOf("abc"), size: 4 }] })],
      ["MANIFEST_INVALID", "v2", { mediaType: "text/plain" }],
      ["MANIFEST_INVALID", "v2", artifact([], { layers: "abc" })],
      ["MANIFEST_INVALID", "v2", artifact([], { layers: [{ digest: "sha256:1", size: 4 }] })],
      ["MANIFEST_INVALID", "v2", artifact([], { schemaVersion: 1 })],
      ["TAG_INVALID", "-x", whole],
      ["DIGEST_INVALID", digestOf("other"), whole],
    ];
    for (const [code, reference, made] of cases) {
      assert.equal(await codesOf(await manifest(reference, made)), `400 ${code}`, JSON.stringify(made));
    }
    // The type that it is sent as is that of the manifest.
    const body = JSON.stringify(whole);
    const other = { method: "PUT", body, headers: { "content-type": DOCKER_IMAGE } };
    assert.equal(await codesOf(await ask("/v2/a/b/manifests/v2", other)), "400 MANIFEST_INVALID");
    assert.equal(await codesOf(await ask("/v2/a/b/manifests/v2")), "404 MANIFEST_UNKNOWN");
    assert.equal(await codesOf(await ask("/v2/c/manifests/v1")), "404 NAME_UNKNOWN");
    assert.equal((await ask("/v2/a/b/manifests/v1", { method: "DELETE" })).status, 202);
    assert.equal((await ask("/v2/a/b/manifests/v1")).status, 404);
    assert.equal((await ask(`/v2/a/b/manifests/${digest}`)).status, 200);
    assert.equal((await ask(`/v2/a/b/manifests/${digest}`, { method: "DELETE" })).status, 202);
    assert.equal((await ask(`/v2/a/b/manifests/${digest}`)).status, 404);
    assert.equal(
      await codesOf(await ask("/v2/a/b/manifests/v1", { method: "DELETE" })),
      "404 MANIFEST_UNKNOWN",
    );
    assert.equal(
      await codesOf(await ask(`/v2/a/b/manifests/${digest}`, { method: "DELETE" })),
      "404 MANIFEST_UNKNOWN",
    );
  }));

test("registry: tags, repositories and referrers are listed by name, in pages, and by type", () =>
  withRegistry(async ({ ask, blob, manifest }) => {
    for (const name of ["a/b", "c"]) {
      await blob("{}", name);
      for (const tag of ["v2", "v1", "latest"]) await manifest(tag, artifact([]), name);
    }
    const list = async (path: string) => {
      const answer = await ask(path);
      const link = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];
      return { link, ...await answer.json() as { tags?: string[]; repositories?: string[] } };
    };
    assert.deepEqual((await list("/v2/a/b/tags/list")).tags, ["latest", "v1", "v2"]);
    const first = await list("/v2/a/b/tags/list?n=2");
    assert.deepEqual([first.tags, first.link], [["latest", "v1"], "/v2/a/b/tags/list?n=2&last=v1"]);
    assert.deepEqual(await list(first.link!), { link: undefined, name: "a/b", tags: ["v2"] });
    assert.deepEqual((await list("/v2/a/b/tags/list?n=0")).tags, []);
    assert.equal(await codesOf(await ask("/v2/a/b/tags/list?n=x")), "400 PAGINATION_NUMBER_INVALID");
    assert.equal(await codesOf(await ask("/v2/none/tags/list")), "404 NAME_UNKNOWN");
    const repositories = await list("/v2/_catalog?n=1");
    assert.deepEqual([repositories.repositories, repositories.link], [
      ["a/b"],
      "/v2/_catalog?n=1&last=a%2Fb",
    ]);
    assert.deepEqual((await list(repositories.link!)).repositories, ["c"]);

    const text = JSON.stringify(artifact([]));
    const subject = {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: digestOf(text),
      size: text.length,
    };
    const about = (artifactType: string, n: number) =>
      artifact([], { artifactType, subject, annotations: { n: String(n) } });
    for (let n = 0; n < 101; n++) {
      const put = await manifest(digestOf(JSON.stringify(about("a/s", n))), about("a/s", n));
      assert.equal(put.headers.get("oci-subject"), subject.digest);
    }
    await manifest("sbom", about("a/b", 0));
    type Found = { manifests: { artifactType: string; annotations: object }[] };
    const all = await ask(`/v2/a/b/referrers/${subject.digest}`);
    assert.equal(all.headers.get("content-type"), INDEX);
    assert.equal((await all.json() as Found).manifests.length, 100);
    const rest = /^<([^>]+)>/.exec(all.headers.get("link")!)![1]!;
    assert.equal((await (await ask(rest)).json() as Found).manifests.length, 2);
    const sbom = await ask(`/v2/a/b/referrers/${subject.digest}?artifactType=a/b`);
    assert.equal(sbom.headers.get("oci-filters-applied"), "artifactType");
    assert.deepEqual(
      (await sbom.json() as Found).manifests.map(({ artifactType, annotations }) => ({
        artifactType,
        annotations,
      })),
      [{ artifactType: "a/b", annotations: { n: "0" } }],
    );
    const none = await ask(`/v2/a/b/referrers/${digestOf("none")}`);
    assert.deepEqual((await none.json() as Found).manifests, []);
  }));

test("registry: users push and pull, executors pull, nobody else does anything", async () => {
  const store = sqliteGatewayStore(":memory:");
  const tokens = new Tokens(store);
  const [user, executor] = [
    await tokens.make({ name: "u", kind: "user" }),
    await tokens.make({ name: "e", kind: "executor" }),
  ];
  await withRegistry(async ({ ask }) => {
    const as = (authorization: string, path: string, method = "GET", more: object = {}) =>
      ask(path, { method, headers: { authorization, ...more } });
    const basic = (token: string) => `Basic ${btoa(`anyone:${token}`)}`;
    const nobody = await ask("/v2/");
    assert.equal(nobody.headers.get("www-authenticate"), 'Basic realm="outrider"');
    assert.equal(await codesOf(nobody), "401 UNAUTHORIZED");
    assert.equal(await codesOf(await ask("/v2/x/y/z")), "401 UNAUTHORIZED");
    for (const bad of [basic("other"), "Basic !", "Basic", `Bearer ${basic(user)}`, `Digest ${user}`]) {
      assert.equal((await as(bad, "/v2/")).status, 401, bad);
    }
    for (const good of [basic(user), `Bearer ${user}`, basic(executor), `Bearer ${executor}`]) {
      assert.equal((await as(good, "/v2/")).status, 200);
      assert.equal(await codesOf(await as(good, "/v2/a/manifests/v1")), "404 NAME_UNKNOWN");
      assert.equal(await codesOf(await as(good, "/v2/x/y/z")), "404 UNSUPPORTED");
    }
    const push = [["/v2/a/blobs/uploads/", "POST"], ["/v2/a/manifests/v1", "PUT"], [
      "/v2/a/manifests/v1",
      "DELETE",
    ], [
      "/v2/a/blobs/uploads/x",
      "PATCH",
    ]] as const;
    for (const [path, method] of push) {
      assert.equal(await codesOf(await as(basic(executor), path, method)), "403 DENIED");
      assert.notEqual((await as(basic(user), path, method)).status, 403);
    }
    // A password that a browser has kept is not for pages of others, and opens nothing else of the gateway.
    for (const header of [{ origin: "http://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
      assert.equal(
        await codesOf(await as(basic(user), "/v2/a/blobs/uploads/", "POST", header)),
        "403 ORIGIN",
      );
    }
    assert.equal((await as(basic(user), "/v1/runs")).status, 401);
    assert.equal((await as(`Bearer ${user}`, "/v1/runs")).status, 200);
  }, { more: { store, tokens } });
  store.close();
});

test("registry: a blob, the disk and all together have limits, each said in words, and what is there stays", () =>
  withRegistry(async (registry) => {
    const { ask, begin, blob, folder } = registry;
    const send = async (path: string, body: Uint8Array<ArrayBuffer>) => {
      const answer = await ask(path, { method: "PATCH", body });
      return answer.status === 202 ? 202 : await codesOf(answer);
    };
    const path = await begin();
    assert.equal(await send(path, bytesOf(1000)), 202);
    assert.equal(await send(path, bytesOf(1)), "413 SIZE_INVALID");
    assert.equal((await ask(path)).headers.get("range"), "0-999");
    await blob(bytesOf(900));
    const other = await begin();
    assert.equal(await send(other, bytesOf(700)), "507 STORAGE_FULL");
    await ask(path, { method: "DELETE" });
    assert.equal(await send(other, bytesOf(700)), 202);
    assert.ok(folder);

    let full = true;
    const files = {
      ...runtime,
      async openFile(...args: Parameters<typeof runtime.openFile>) {
        const file = await runtime.openFile(...args);
        const write: typeof file.write = async (at, bytes) => {
          if (!full) return await file.write(at, bytes);
          await file.write(at, bytes.subarray(0, 10));
          throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
        };
        return { ...file, write };
      },
    };
    const onFull = registry.again({ files, maxBytes: 1e6 });
    const third = await onFull.begin();
    const content = bytesOf(500);
    const body = () => ({ method: "PATCH", body: content, headers: { "content-range": "0-499" } });
    assert.equal(await codesOf(await onFull.ask(third, body())), "507 STORAGE_FULL");
    full = false;
    assert.equal((await onFull.ask(third, body())).status, 202);
    const ended = await onFull.ask(`${third}?digest=${digestOf(content)}`, { method: "PUT" });
    assert.equal(ended.status, 201);
  }, { maxBlobBytes: 1000, maxBytes: 2000 }));

test("registry: what becomes a blob while another upload goes on is counted on, and a body that stops is let go", () =>
  withRegistry(async ({ ask, begin, clock }) => {
    /** A body of two pieces; the second one comes once it is let, or never. */
    const inTwo = (first: number, second: number) => {
      const [begun, go] = [0, 0].map(() => Promise.withResolvers<void>());
      let [sent, left] = [0, false];
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        async pull(controller) {
          if (++sent === 2) {
            begun!.resolve();
            await go!.promise;
          }
          controller.enqueue(bytesOf(sent === 1 ? first : second));
          if (sent === 2) controller.close();
        },
        cancel: () => void (left = true),
      }, { highWaterMark: 0 });
      return { body, begun: begun!.promise, go: go!.resolve, left: () => left };
    };
    const [one, two, three] = [await begin(), await begin(), await begin()];
    assert.equal((await ask(one, { method: "PATCH", body: bytesOf(900) })).status, 202);
    const { body, begun, go } = inTwo(200, 1000);
    const coming = ask(two, { method: "PATCH", body, ...HALF });
    await begun;
    assert.equal((await ask(`${one}?digest=${digestOf(bytesOf(900))}`, { method: "PUT" })).status, 201);
    go();
    assert.equal(await codesOf(await coming), "507 STORAGE_FULL");
    const stopped = inTwo(10, 10);
    const slow = ask(three, { method: "PATCH", body: stopped.body, ...HALF });
    await stopped.begun;
    while (clock.step());
    assert.equal(await codesOf(await slow), "408 TOO_SLOW");
    assert.ok(stopped.left());
    assert.equal((await ask(three)).headers.get("range"), "0-9");
  }, { maxBytes: 2000 }));

test("registry: a blob is on the disk before it has its name, and its name before it is said to be there", () =>
  withRegistry(async (registry) => {
    const did: string[] = [];
    let open = 0;
    const files = {
      ...runtime,
      async openFile(...args: Parameters<typeof runtime.openFile>) {
        const file = await runtime.openFile(...args);
        open++;
        const sync = async () => {
          await file.sync();
          did.push("brought to the disk");
        };
        const read: typeof file.read = async (...where) => {
          did.push("read again");
          return await file.read(...where);
        };
        const close = () => {
          open--;
          return file.close();
        };
        return { ...file, sync, read, close };
      },
      async rename(from: string, to: string) {
        await runtime.rename(from, to);
        did.push("named");
      },
      async syncFolder(folder: string) {
        await runtime.syncFolder(folder);
        did.push("name brought to the disk");
      },
    };
    const { ask, begin } = registry.again({ files });
    const path = await begin();
    assert.equal((await ask(path, { method: "PATCH", body: bytesOf(10) })).status, 202);
    assert.deepEqual(did.splice(0), ["brought to the disk"], "what was said to be here goes on from there");
    assert.equal((await ask(`${path}?digest=${digestOf(bytesOf(10))}`, { method: "PUT" })).status, 201);
    assert.deepEqual(did.slice(-4), [
      "read again",
      "brought to the disk",
      "named",
      "name brought to the disk",
    ]);
    assert.equal(open, 0, "and no file is left open");
  }));

test("registry: uploads are not without number", () =>
  withRegistry(async ({ ask, folder, begin }) => {
    mkdirSync(`${folder}/uploads`, { recursive: true });
    for (let n = 0; n < 999; n++) writeFileSync(`${folder}/uploads/${n}`, "");
    assert.ok(await begin());
    const more = await ask("/v2/a/b/blobs/uploads/", { method: "POST" });
    assert.deepEqual([more.headers.get("retry-after"), await codesOf(more)], ["60", "429 TOOMANYREQUESTS"]);
  }));

test("registry: what was left behind and what nothing refers to goes after a day, and nothing else does", () =>
  withRegistry(async (registry) => {
    const { ask, blob, manifest, begin, clock, folder } = registry;
    await blob("{}");
    const used = await blob("used");
    await manifest("v1", artifact(["used"]));
    const [asked, forgotten] = [await blob("asked"), await blob("forgotten")];
    const left = await begin();
    clock.reach(clock.now() + 20 * HOUR);
    const status = async (digest: string) =>
      (await ask(`/v2/a/b/blobs/${digest}`, { method: "HEAD" })).status;
    assert.equal(await status(asked), 200);
    clock.reach(clock.now() + 5 * HOUR);
    await begin();
    assert.equal((await ask(left)).status, 404);
    assert.deepEqual(await Promise.all([used, asked, forgotten].map(status)), [200, 200, 404]);
    // It can be pushed again; and a step of the wall clock is no day.
    await blob("forgotten");
    clock.jump(48 * HOUR);
    clock.reach(clock.now() + 2 * HOUR);
    await begin();
    assert.equal(await status(forgotten), 200);
    await ask(`/v2/a/b/manifests/${digestOf(JSON.stringify(artifact(["used"])))}`, { method: "DELETE" });
    clock.reach(clock.now() + 25 * HOUR);
    await begin();
    assert.equal(await status(used), 404);
    // What has its name and no row, since the power failed in between, goes at the next start.
    mkdirSync(`${folder}/sha256/00`, { recursive: true });
    writeFileSync(`${folder}/sha256/00/${"0".repeat(64)}`, "x");
    await registry.again().begin();
    assert.deepEqual(readdirSync(`${folder}/sha256/00`), []);
    // And a row whose file somebody took away is no blob any more.
    const lost = await blob("lost");
    rmSync(`${folder}/sha256/${lost.slice(7, 9)}/${lost.slice(7)}`);
    assert.equal((await ask(`/v2/a/b/blobs/${lost}`)).status, 404);
    assert.equal(await status(lost), 404);
    assert.equal(await blob("lost"), lost);
    assert.equal((await ask(`/v2/a/b/blobs/${lost}`)).status, 200);
  }));

test("registry: it is looked for what is left behind once an hour, and an upload that goes on stays", () =>
  withRegistry(async ({ ask, begin, blob, clock, folder }) => {
    const digest = await blob("left");
    const isThere = () =>
      readdirSync(`${folder}/sha256`).some((part) =>
        readdirSync(`${folder}/sha256/${part}`).includes(digest.slice(7))
      );
    const pass = (hours: number) => clock.reach(clock.now() + hours * HOUR);
    pass(23.5);
    const goesOn = await begin();
    pass(0.75);
    await begin();
    assert.ok(isThere(), "it was looked less than an hour ago");
    pass(0.5);
    await begin();
    assert.ok(!isThere());
    assert.equal((await ask(goesOn)).status, 204);
  }));

test("registry: a gateway without a place for it says so", async () => {
  const { world } = await import("./rig.ts");
  const { ask, store } = world();
  const answer = await ask("/v2/a/blobs/uploads/", { method: "POST" });
  assert.equal(await codesOf(answer), "404 UNSUPPORTED");
  store.close();
});
