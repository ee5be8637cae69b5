/**
 * Holds what an agent tells its end point of itself, in one process: how it stands, what is not as it should be, and why
 * it can't work.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { AgentWorld, bundleOf } from "./rig.ts";
import { withFiles } from "../rig.ts";

/** A pipeline that writes more log than is kept, then waits. */
async function chatter(): Promise<string> {
  const tasks = { chatter: { params: { lines: 3_000 } }, wait: { needs: ["chatter"] } };
  return new TextDecoder().decode(await bundleOf("chatter", tasks));
}

test("view: a gateway out of reach, and log that was dropped before it had it, until it is back", async () => {
  const world = new AgentWorld();
  try {
    await withFiles({ "p.json": await chatter() }, async (folder) => {
      world.network.offline = true;
      const agent = world.agent({ pipeline: join(folder, "p.json"), spoolBytes: 65_536 }, { free: true });
      try {
        const codes = () => world.view?.conditions().map(({ code }) => code).join();
        await world.when(() => codes() === "gateway_out_of_reach,log_dropped");
        assert.equal(world.view!.state(), "running");
        assert.equal(world.view!.unable(), undefined);
        const [, dropped] = world.view!.conditions();
        assert.match(
          dropped!.message,
          /^The log outgrew OUTRIDER_SPOOL_BYTES .*: its oldest \d+ lines were dropped$/,
        );
        const { spool, heartbeatFailures, lastContactAt } = world.view!.gateway()!;
        assert.ok(spool.log > 100 && spool.state > 0, JSON.stringify(spool));
        assert.ok(heartbeatFailures > 0);
        assert.equal(lastContactAt, undefined);
        world.network.offline = false;
        await world.when(() => codes() === "");
        assert.ok(world.view!.gateway()!.lastContactAt! <= world.clock.now());
      } finally {
        agent.stop("seen enough");
        agent.stop("at once");
        await world.until(agent.ended);
      }
    });
  } finally {
    world.close();
  }
});

test("view: a gateway given up is why it can't work", async () => {
  const world = new AgentWorld({ lost: 1 });
  try {
    const agent = world.agent({ keepAlive: { ms: 60_000, then: "finish" } });
    await world.when(() => world.view?.unable() !== undefined);
    assert.match(
      world.view!.unable()!,
      /^It takes on nothing more: the gateway has been out of reach for 60 s/,
    );
    await world.until(agent.ended);
  } finally {
    world.close();
  }
});

test("view: of the runs that an agent has done and reported, it keeps the last one alone", async () => {
  const world = new AgentWorld();
  try {
    await withFiles({}, async (stateDir) => {
      const agent = world.agent({ stateDir }, { follow: true });
      for (let count = 1; count <= 4; count++) {
        await world.user.submit(await bundleOf(`run${count}`, { one: {} }), "pi");
        await world.when(async () => {
          const runs = await world.user.runs();
          return runs.length === count && runs.every(({ complete }) => complete);
        });
        await world.when(() => world.view?.state() === "idle");
      }
      const folders = readdirSync(join(stateDir, "runs")).sort();
      // The one before the last may not have been closed yet as the last one began.
      assert.ok(folders.length <= 3, folders.join());
      assert.equal(folders.at(-1), "000004");
      agent.stop("enough", 0);
      assert.equal(await world.until(agent.ended), 0);
    });
  } finally {
    world.close();
  }
});
