/** With OUTRIDER_TRUST an agent runs what a trusted key has signed and nothing else, whichever way it comes. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type Bundle, bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { signedBundle } from "../../src/trust/bundle.ts";
import { publicKeyText } from "../../src/trust/minisign.ts";
import { makeSecretKey, type SecretKey } from "../../src/trust/secret_key.ts";
import { AgentWorld, bundleOf } from "./rig.ts";

const [ours, next, theirs] = await Promise.all([makeSecretKey(), makeSecretKey(), makeSecretKey()]);
const TRUST = ours.publicKey.text;

type Tasks = Parameters<typeof bundleOf>[1];

async function plain(name: string, tasks: Tasks = { one: {} }): Promise<Bundle> {
  return JSON.parse(new TextDecoder().decode(await bundleOf(name, tasks))) as Bundle;
}

async function signed(
  name: string,
  version: number,
  { key = ours, tasks = { one: {} } }: { readonly key?: SecretKey; readonly tasks?: Tasks } = {},
): Promise<Bundle> {
  return await signedBundle(await plain(name, tasks), key, { file: "p.outrider.json", version });
}

async function inWorld(use: (world: AgentWorld, folder: string) => Promise<void>): Promise<void> {
  const world = new AgentWorld();
  const folder = mkdtempSync(join(tmpdir(), "outrider-trust-"));
  try {
    await use(world, folder);
    for (let at = 0; at < 20 && world.clock.step(); at++) await world.activity.still();
  } finally {
    world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Hands one document after the other to an agent that follows; what became of each, and why. */
async function handed(
  world: AgentWorld,
  config: Parameters<AgentWorld["agent"]>[0],
  documents: readonly unknown[],
  options: Parameters<AgentWorld["agent"]>[1] = {},
): Promise<string[]> {
  const agent = world.agent({ trust: TRUST, ...config }, { follow: true, ...options });
  const known = new Set((await world.user.runs()).map(({ run }) => run));
  const said: string[] = [];
  for (const document of documents) {
    const text = typeof document === "string" ? document : JSON.stringify(document);
    await world.user.submit(new TextEncoder().encode(text), "pi");
    const done = async () =>
      (await world.user.runs()).find(({ run, complete }) => complete && !known.has(run));
    await world.when(async () => await done() !== undefined);
    const { run, state } = (await done())!;
    known.add(run);
    const errors: string[] = [];
    for await (const { level, text } of world.user.logs(run)) {
      if (level === "error") errors.push(String(text));
    }
    said.push([state, ...errors].join(": "));
  }
  agent.stop("enough", 143);
  await world.until(agent.ended);
  return said;
}

function matchEach(said: readonly string[], expected: readonly RegExp[]): void {
  assert.equal(said.length, expected.length, said.join("\n"));
  for (const [at, form] of expected.entries()) assert.match(said[at]!, form);
}

test("what is signed by a trusted key is run, and what is not is refused in words at the gateway", () =>
  inWorld(async (world, stateDir) => {
    const good = await signed("p", 7);
    const changed = JSON.parse(JSON.stringify(good)) as Bundle;
    const other = await makeBundle(changed.manifest, `${changed.code}\nglobalThis.evil = 1;`);
    const bare = await plain("p");
    const said = await handed(world, { stateDir }, [
      bare,
      good,
      { ...other, signature: good.signature },
      { ...changed, code: `${changed.code} ` },
      { ...good, manifest: { ...good.manifest, name: "q" } },
      await signed("p", 8, { key: theirs }),
      { ...bare, signature: "untrusted comment: x" },
      { ...bare, signature: 5 },
      good.manifest,
      { outriderGraph: 1, graph: "gASVAAAA" },
      "gASVAAAA",
      await signed("p", 8),
    ]);
    matchEach(said, [
      /^failed: The bundle is not signed, .*outrider bundle --sign KEY/,
      /^succeeded$/,
      new RegExp(`^failed: The bundle is not what key ${ours.publicKey.id} has signed: it was changed`),
      /^failed: .*hash: .*changed or damaged/,
      /^failed: .*hash: .*changed or damaged/,
      new RegExp(`^failed: The bundle is signed by key ${theirs.publicKey.id}, which is not trusted here`),
      /^failed: The signature is none of minisign/,
      /^failed: The bundle is not signed/,
      /^failed: Only signed bundles are run here/,
      /^failed: Only signed bundles are run here/,
      /^failed: .*What was handed out is no bundle/,
      /^succeeded$/,
    ]);
    assert.ok(world.notes.some((note) => note === `Version 8 of p is signed by ${ours.publicKey.id}`));
  }));

test("what is older than what was run is refused, also after a restart", () =>
  inWorld(async (world, stateDir) => {
    const [five, six] = [await signed("p", 5), await signed("p", 6, { tasks: { one: {}, sum: {} } })];
    const otherFive = await signed("p", 5, { tasks: { sum: {} } });
    matchEach(await handed(world, { stateDir }, [five, otherFive, five, six]), [
      /^succeeded$/,
      /^failed: Version 5 of pipeline p was taken before with other contents/,
      /^succeeded$/,
      /^succeeded$/,
    ]);
    matchEach(await handed(world, { stateDir }, [five, await signed("q", 1), six]), [
      /^failed: Version 5 of pipeline p is older than version 6/,
      /^succeeded$/,
      /^succeeded$/,
    ]);
  }));

test("a version that can't be kept is not run, and nothing is forgotten", () =>
  inWorld(async (world, stateDir) => {
    matchEach(await handed(world, { stateDir }, [await signed("p", 5)]), [/^succeeded$/]);
    const full = {
      ...runtime,
      writeText: (path: string, text: string, mode?: number) =>
        path.endsWith("versions.json")
          ? Promise.reject(Object.assign(new Error("no space left"), { code: "ENOSPC" }))
          : runtime.writeText(path, text, mode),
    };
    matchEach(
      await handed(world, { stateDir }, [await signed("p", 6), await signed("p", 5)], { runtime: full }),
      [
        /^failed: That it is taken can't be kept \(no space left\)/,
        /^succeeded$/,
      ],
    );
    writeFileSync(join(stateDir, "versions.json"), "{");
    matchEach(await handed(world, { stateDir }, [await signed("p", 6)]), [
      /^failed: Which versions .* can't be read/,
    ]);
  }));

test("keys are rotated and revoked in a file while the agent lives", () =>
  inWorld(async (world, folder) => {
    const file = join(folder, "trust.pub");
    const keys = (...list: readonly SecretKey[]) =>
      list.map(({ publicKey }) => publicKeyText(publicKey)).join("");
    const agent = world.agent({ trust: file, stateDir: join(folder, "state") }, { follow: true });
    const said: string[] = [];
    const hand = async (bundle: Bundle) => {
      const count = said.length;
      await world.user.submit(new TextEncoder().encode(bundleText(bundle)), "pi");
      const complete = async () => (await world.user.runs()).filter(({ complete }) => complete);
      await world.when(async () => (await complete()).length === count + 1);
      const states = (await complete()).map(({ state }) => state);
      said.push(states.filter((state) => state === "succeeded").length + "/" + states.length);
    };
    writeFileSync(file, keys(ours));
    await hand(await signed("p", 1));
    await hand(await signed("p", 2, { key: next }));
    writeFileSync(file, keys(ours, next));
    await hand(await signed("p", 2, { key: next }));
    await hand(await signed("p", 3));
    writeFileSync(file, `${keys(ours, next)}!${ours.publicKey.id}\n`);
    await hand(await signed("p", 4));
    await hand(await signed("p", 4, { key: next }));
    rmSync(file);
    await hand(await signed("p", 5, { key: next }));
    assert.deepEqual(said, ["1/1", "1/2", "2/3", "3/4", "3/5", "4/6", "4/7"]);
    agent.stop("enough", 143);
    await world.until(agent.ended);
  }));

test("a file is run only if it is signed, and as it was when it was verified", () =>
  inWorld(async (world, folder) => {
    const at = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const alone = { gateway: undefined, trust: TRUST };
    const good = at("good.json", bundleText(await signed("p", 1)));
    assert.equal(await world.until(world.agent({ ...alone, pipeline: good }).ended), 0);
    assert.equal(await world.until(world.agent({ ...alone, pipeline: runtime.fileUrl(good) }).ended), 0);
    const marker = join(folder, "it ran");
    const evil = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(marker)}, "");\n`;
    const wrong = [
      at("plain.json", bundleText(await plain("p"))),
      at(
        "manifest.json",
        JSON.stringify({ outrider: 1, name: "p", tasks: { a: { run: { command: ["touch", marker] } } } }),
      ),
      at("module.mjs", evil),
      `data:text/javascript,${encodeURIComponent(evil)}`,
      at("graph.pickle", "\u0080\u0004x"),
    ];
    for (const pipeline of wrong) {
      await assert.rejects(
        world.until(world.agent({ ...alone, pipeline }).ended),
        (error: { code?: string }) => error.code === "OUTRIDER_TRUST" || error.code === "OUTRIDER_PIPELINE",
        pipeline,
      );
    }
    assert.equal(existsSync(marker), false);
    await assert.rejects(world.until(world.agent({ ...alone, pipeline: join(folder, "none.json") }).ended), {
      code: "OUTRIDER_PIPELINE",
    });
    assert.ok(world.notes.some((note) => note.includes("without OUTRIDER_STATE_DIR one that is older")));
  }));

test("what an earlier process has begun goes on only if its bundle is trusted still", () =>
  inWorld(async (world, folder) => {
    const begun = async (name: string, bundle: Bundle) => {
      const stateDir = join(folder, name);
      const state = new StateDir(stateDir, { runtime, logBytes: 1_000_000 });
      await state.runs();
      await state.begin({ tag: `"${name}"`, executor: "pi" }, bundleText(bundle));
      await state.end();
      const before = (await world.user.runs()).length;
      const agent = world.agent({ trust: TRUST, stateDir });
      await world.when(async () =>
        (await world.user.runs()).filter(({ complete }) => complete).length > before
      );
      agent.stop("enough", 143);
      await world.until(agent.ended).catch(() => {});
      return (await world.user.runs()).filter(({ state }) => state === "succeeded").length;
    };
    assert.equal(await begun("good", await signed("p", 1)), 1);
    assert.equal(await begun("unsigned", await plain("p")), 1);
    assert.equal(await begun("revoked", await signed("p", 2, { key: theirs })), 1);
    assert.match(readFileSync(join(folder, "good/versions.json"), "utf8"), /"pipeline p":\{"version":1,/);
  }));

test("trust: each run of a timetable is verified anew, and what is not signed takes no timetable's place", () =>
  inWorld(async (world, folder) => {
    const keys = join(folder, "keys.pub");
    writeFileSync(keys, ours.publicKey.text);
    const manifest = JSON.parse(
      new TextDecoder().decode(
        await bundleOf("often", { one: {} }, { schedule: { cron: "*/3 * * * *" } }),
      ),
    ) as Bundle;
    const bundle = await signedBundle(manifest, ours, { file: "p.outrider.json", version: 1 });
    const submit = (document: unknown) =>
      world.user.submit(new TextEncoder().encode(JSON.stringify(document)), "pi");
    await submit(bundle);
    const stateDir = join(folder, "state");
    const agent = world.agent({ trust: keys, stateDir });
    const states = async () =>
      (await world.user.runs()).filter(({ complete }) => complete)
        .map(({ state, scheduledFor }) => `${state} ${scheduledFor === undefined ? "at once" : "when due"}`)
        .sort();
    await world.when(async () => (await states()).length === 1);
    await submit(await plain("intruder"));
    await world.when(async () => (await states()).length === 3);
    assert.deepEqual(await states(), ["failed at once", "succeeded when due", "succeeded when due"]);
    writeFileSync(keys, theirs.publicKey.text);
    await world.when(async () => (await states()).includes("failed when due"));
    agent.stop("enough");
    await world.until(agent.ended);
  }));
