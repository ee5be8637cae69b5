/** What a user does with the gateway's queue from the command line. */
import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import type { ExecutorQueue } from "../../src/protocol/messages.ts";
import { bundleOf } from "../agent/rig.ts";
import { FakeRuntime } from "./fake.ts";

interface Told {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A gateway at a real address, and `outrider` with arguments. */
async function withGateway(
  use: (
    outrider: (...args: readonly string[]) => Promise<Told>,
    ask: (path: string, init?: RequestInit) => Promise<Response>,
  ) => Promise<void>,
): Promise<void> {
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock: systemClock });
  const served = await runtime.serve({ fetch: (request) => app.fetch(request), port: 0 });
  const file = new TextDecoder().decode(await bundleOf("check", { one: {} }));
  try {
    await use(async (...args) => {
      const fake = new FakeRuntime({ env: { OUTRIDER_GATEWAY: served.url } });
      fake.files.set("check.json", file);
      const code = await commandLine(args, fake);
      return { code, out: fake.stdout.text, err: fake.stderr.text };
    }, (path, init) => Promise.resolve(app.request(served.url + path, init)));
  } finally {
    await served.close();
    store.close();
  }
}

/** The words of a table's line that begins with a text. */
function line(told: Told, start: string): string[] {
  const found = told.out.split("\n").find((each) => each.startsWith(start));
  return (found ?? assert.fail(`No line ${start} in:\n${told.out}${told.err}`)).split(/ {2,}/);
}

test("cli: what is submitted is a queue that is listed, replaced when that is asked for, and withdrawn", () =>
  withGateway(async (outrider, ask) => {
    const submit = (...more: readonly string[]) => outrider("submit", "check.json", "--to", "pi", ...more);
    const idOf = ({ err }: Told) => /^It is (q-\w+) in the queue/.exec(err)?.[1] ?? assert.fail(err);
    const first = await submit();
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /^check\.json is for pi now: version 1, hash [0-9a-f]{64}\n$/);
    assert.match(
      first.err,
      /in the queue, next; outrider cancel q-\w+ withdraws it\nNo executor pi was ever seen/,
    );
    const second = await submit();
    assert.match(second.err, /in the queue, after 1 other;/);
    const group = await outrider("submit", "check.json", "--to", "group:roof");
    assert.match(group.err, /No executor of group:roof was ever seen/);
    const waiting = await outrider("executors", "pi");
    assert.match(waiting.out, /^Executor pi was never seen at this gateway\n\nHAND-OUT +TO +PIPELINE +STATE/);
    assert.deepEqual(line(waiting, idOf(first)).slice(1, 4), ["pi", "check", "waiting"]);

    const pulled = await ask("/v1/executors/pi/pipeline");
    await pulled.body?.cancel();
    const third = await submit("--replace");
    assert.match(third.err, new RegExp(`It replaces what waited: ${idOf(first)}, ${idOf(second)}\n`));
    const listed = await outrider("results");
    assert.deepEqual(line(listed, idOf(second)).slice(1, 4), ["pi", "check", "replaced"]);
    assert.deepEqual(line(listed, idOf(group)).slice(1, 4), ["group:roof", "check", "waiting"]);

    const gone = await outrider("cancel", idOf(third), "--because", "not today");
    assert.equal(gone.out, `${idOf(third)} is withdrawn: it is handed out to nobody any more\n`);
    const again = await outrider("cancel", idOf(third));
    assert.deepEqual([again.code, /it is withdrawn/.test(again.err)], [2, true], again.err);
    const { handouts, executor } = JSON.parse(
      (await outrider("executors", "pi", "--json")).out,
    ) as ExecutorQueue;
    assert.deepEqual(handouts.map(({ state }) => state), ["replaced", "replaced", "withdrawn"]);
    assert.equal(handouts.at(-1)?.because, "not today");
    assert.equal(executor?.id, "pi");
    const nobody = await outrider("executors", "nobody");
    assert.match(nobody.err, /Executor nobody was never seen, and nothing waits for it/);
    assert.equal(JSON.parse((await outrider("results", "--json")).out).length, 0, "runs alone, as ever");
  }));

test("cli: two devices with one id are told of in the list", () =>
  withGateway(async (outrider, ask) => {
    const beat = (session: string, version: number, rival?: string) => {
      const tells = { spool: { state: 0, log: 0 }, sentBytes: 0, seen: 0, state: "idle", rival };
      const body = JSON.stringify({ session, version, outrider: "1", runtime: "test 1", ...tells });
      return ask("/v1/executors/pi/heartbeat", { method: "POST", body });
    };
    await beat("a", 1);
    await beat("b", 1);
    assert.ok(!(await outrider("executors")).out.includes("two devices"));
    await beat("a", 2, "b");
    assert.equal(
      line(await outrider("executors"), "pi").at(-1),
      "two devices have this id: give each its own",
    );
    assert.match((await outrider("executors", "pi")).out, /two devices.*\n\nNothing was handed out to it/);
  }));
