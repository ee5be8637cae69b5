/** Files that an agent's runs keep: reported after everything else, kept until they are, by whichever process comes to it. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";
import { AgentWorld } from "./rig.ts";

const SCRIPT = 'echo "$OUTRIDER_FILES" > "$OUTRIDER_FILES/where"; ln -s /etc/passwd "$OUTRIDER_FILES/link"';
const PIPELINE = { outrider: 1, name: "files", tasks: { keep: { run: { command: ["sh", "-c", SCRIPT] } } } };

/** A world whose gateway keeps files. */
function inWorld(
  use: (world: AgentWorld, place: { state: string; pipeline: string }) => Promise<void>,
): Promise<void> {
  return withFiles({ "p.json": JSON.stringify(PIPELINE) }, async (folder) => {
    const world = new AgentWorld();
    const files = { files: runtime, folder: join(folder, "gateway") };
    world.app = gatewayApp({ store: world.store, clock: world.clock, files });
    try {
      await use(world, { state: join(folder, "state"), pipeline: join(folder, "p.json") });
    } finally {
      world.close();
    }
  });
}

/** The text of the file that the only run has at the gateway. */
async function textAt({ user }: AgentWorld): Promise<string> {
  const [run] = await user.runs();
  const [file] = await user.files(run!.run);
  assert.deepEqual([file?.name, file?.here], ["where", true]);
  const pieces = await Array.fromAsync(user.file(run!.run, { sha256: file!.sha256, at: 0 }));
  return new TextDecoder().decode(Uint8Array.from(pieces.flatMap((piece) => [...piece])));
}

test("agent: files are at the gateway when it ends, and gone from the device, with a state directory or without", () =>
  inWorld(async (world, { state, pipeline }) => {
    assert.equal(await world.until(world.agent({ pipeline, stateDir: state }, { free: true }).ended), 0);
    const where = await textAt(world);
    assert.match(where, /\/state\/runs\/000001\/files\/\.work\/desk-\d+\n$/);
    // Of the newest run the folder stays, without a word of it to be sent; its files stay with it.
    assert.equal(existsSync(where.trim()), false);
    const [run] = await world.user.runs();
    const result = await world.user.result(run!.run) as {
      tasks: { keep: { filesRefused: { name: string }[] }[] };
    };
    assert.deepEqual(result.tasks.keep[0]!.filesRefused.map(({ name }) => name), ["link"]);

    const other = new AgentWorld();
    try {
      const files = { files: runtime, folder: join(state, "../other") };
      other.app = gatewayApp({ store: other.store, clock: other.clock, files });
      assert.equal(await other.until(other.agent({ pipeline }, { free: true }).ended), 0);
      const passing = await textAt(other);
      assert.equal(
        existsSync(passing.slice(0, passing.indexOf("/.work"))),
        false,
        "the temporary folder is gone",
      );
    } finally {
      other.close();
    }
  }));

test("agent: files that have not reached the gateway stay with their run, and the next start sends them", () =>
  inWorld(async (world, { state, pipeline }) => {
    world.network.stands = (path) =>
      path.includes("/files/") ? new Response("later", { status: 503 }) : undefined;
    const first = world.agent({ pipeline, stateDir: state }, { free: true });
    await world.when(async () => (await world.user.runs())[0]?.complete === true);
    first.stop("a test");
    first.stop("a test");
    await world.until(first.ended);
    assert.match(
      world.notes.join("\n"),
      /0 state records and 0 of the log, and 1 files, have not reached the gateway/,
    );
    const folder = join(state, "runs/000001/files");
    assert.equal(readdirSync(folder).filter((name) => name !== ".work").length, 1);
    world.network.stands = undefined;
    mkdirSync(join(state, "empty"), { recursive: true });
    writeFileSync(
      join(state, "empty/p.json"),
      JSON.stringify({ outrider: 1, name: "other", tasks: { t: {} } }),
    );
    await world.until(
      world.agent({ pipeline: join(state, "empty/p.json"), stateDir: state }, { free: true }).ended,
    );
    const runs = await world.user.runs();
    const kept = runs.find(({ pipeline }) => pipeline === "files")!;
    assert.deepEqual((await world.user.files(kept.run)).map(({ here }) => here), [true]);
    assert.equal(existsSync(folder), false);
  }));

test("agent: a gateway that takes no files is told nothing of their bytes, and the log says so", () =>
  inWorld(async (world, { pipeline }) => {
    assert.equal(await world.until(world.agent({ pipeline }, { free: true, noFiles: true }).ended), 0);
    const [run] = await world.user.runs();
    const texts = (await Array.fromAsync(world.user.logs(run!.run))).map(({ text }) => String(text));
    const said = texts.filter((text) => text.includes("are not reported"));
    assert.deepEqual(said, [
      "The 1 files of this run are not reported, as this gateway takes none: they go when the run is let go of",
    ]);
    assert.deepEqual((await world.user.files(run!.run)).map(({ here }) => here), [false]);
  }));
