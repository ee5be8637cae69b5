/** A whole agent, as the command starts it, over a dialect that is made up: its gateway lives in this process. */
import assert from "node:assert/strict";
import test from "node:test";
import { startAgentHere } from "../../src/agent/start.ts";
import { readConfig } from "../../src/config/config.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { Loft, LOFTS, pigeon, withDialect } from "../fixtures/dialects/pigeon.ts";
import { bundleOf } from "./rig.ts";

test("agent: a dialect more carries a pipeline here, and heartbeats, records and the end back", () =>
  withDialect(pigeon, async () => {
    const loft = new Loft();
    LOFTS.set("roof", loft);
    loft.handouts.push({ bytes: await bundleOf("by-air", { one: {} }), hash: "h", tag: "1" });
    const env: Readonly<Record<string, string>> = {
      OUTRIDER_GATEWAY: "pigeon://roof",
      OUTRIDER_EXECUTOR_ID: "e",
      OUTRIDER_PIGEON_RINGS: "3",
      OUTRIDER_SERVE: "off",
      OUTRIDER_WORKERS: "1",
    };
    const { config, problems } = await readConfig({
      env: (name) => env[name],
      readText: () => Promise.reject(new Error("No such file")),
    });
    assert.deepEqual(problems, []);
    const notes: string[] = [];
    const agent = await startAgentHere(config!, {
      runtime,
      follow: false,
      waits: false,
      note: (text) => void notes.push(text),
      show: () => () => {},
      version: "0",
      lastEnd: undefined,
    });
    assert.equal(await agent.ended, 0, notes.join("\n"));
    assert.deepEqual(loft.connected.map(({ executor, settings }) => [executor, settings]), [
      ["e", { OUTRIDER_PIGEON_RINGS: 3 }],
    ]);
    assert.ok(loft.ended && loft.beats.length > 0);
    const records = loft.batches.flatMap((batch) => batch.lane === "state" ? batch.records : []);
    const types = records.map((record) => (record as { readonly type?: string }).type);
    assert.equal(types[0], "run.started");
    assert.equal(types.at(-1), "run.ended");
    assert.match(notes.at(-1)!, /^Sent \d+ bytes to pigeon:\/\/roof in \d+ requests/);
    LOFTS.delete("roof");
  }));
