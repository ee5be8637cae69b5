/**
 * What becomes of a due time when something is handed out in the moment in which the gateway is asked about it.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { Jobs } from "../../src/agent/jobs.ts";
import type { JobsOptions } from "../../src/agent/jobs.ts";
import { Timekeeper } from "../../src/agent/timekeeper.ts";
import { localTime } from "../../src/base/shown.ts";
import type { PlanSchedule } from "../../src/pipeline/plan/plan.ts";
import type { Pulled } from "../../src/uplink/gateway.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { HandClock } from "../uplink/rig.ts";
import { CONFIG } from "./rig.ts";

const SCHEDULE: PlanSchedule = {
  cron: "*/3 * * * *",
  timezone: "UTC",
  jitterMs: 0,
  overlap: "skip",
  missed: "skip",
};
const DUE = Date.UTC(2026, 10, 21, 8, 3);
const ODD: Pulled = { bytes: new TextEncoder().encode("{}"), hash: "", tag: "q-2" };

/** An agent's jobs at 08:00, with a timetable that was handed out, and a gateway that answers when a test has it. */
async function scene() {
  const clock = new HandClock(Date.UTC(2026, 10, 21, 8));
  const notes: string[] = [];
  const port: JobsOptions["port"] = {
    clock,
    state: undefined,
    newId: () => "id",
    note: (text) => void notes.push(text),
    runtime: "test 1",
    exists: () => Promise.resolve(false),
    readText: () => Promise.reject(new Error("There is no file")),
  };
  const keeper = new Timekeeper({ port, executor: "pi", paused: () => false, changed: () => {} });
  await keeper.take({ source: { text: "{}" }, tag: "q-1", pipeline: "often", schedule: SCHEDULE });
  let reply: (pulled: Pulled | undefined) => void = () => {};
  const gateway = outriderGateway({
    url: "http://127.0.0.1:8410",
    executor: "pi",
    experiment: "e",
    groups: [],
    fetch: () => Promise.reject(new Error("There is no network")),
    clock,
    gzip: (bytes) => Promise.resolve(bytes),
  });
  const link: JobsOptions["link"] = {
    gateway,
    pull: (_known, { signal }) => {
      const asked = Promise.withResolvers<Pulled | undefined>();
      reply = asked.resolve;
      signal.addEventListener("abort", () => asked.resolve(undefined));
      return asked.promise;
    },
  };
  const jobs = new Jobs({
    config: CONFIG,
    port,
    link,
    reporting: { left: () => {} },
    keeper,
    follow: true,
    signal: new AbortController().signal,
  });
  return { clock, notes, keeper, jobs, reply: (pulled: Pulled | undefined) => reply(pulled) };
}

/** Lets all that is ready happen. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

/** Has something handed out after 08:03, before the gateway was waited for for 5 s. */
async function handedAtDue({ clock, jobs, reply }: Awaited<ReturnType<typeof scene>>) {
  const next = jobs.next();
  await turn();
  while (clock.now() < DUE) {
    clock.step();
    await turn();
  }
  assert.equal(clock.now(), DUE);
  reply(ODD);
  const job = await next;
  assert.equal(job?.tag, "q-2");
  return job;
}

/** Holds that the next run is that of 08:03, once the gateway was waited for. */
async function runsDue({ clock, jobs }: Awaited<ReturnType<typeof scene>>): Promise<void> {
  const next = jobs.next();
  await turn();
  clock.step();
  const job = await Promise.race([next, turn()]);
  assert.deepEqual(job, { source: { text: "{}" }, kept: undefined, tag: "q-1", scheduledFor: DUE });
}

test("timetable: a due time is run after what was handed out in its moment, where that takes no place", async () => {
  const here = await scene();
  here.jobs.done(await handedAtDue(here));
  await runsDue(here);
});

test("timetable: a due time is told as left out where what was handed out in its moment takes the place", async () => {
  const text = `The run of often that was due at ${localTime(DUE)} is left out: `;
  const newer = await scene();
  await handedAtDue(newer);
  await newer.keeper.take({ source: { text: "{}" }, tag: "q-2", pipeline: "newer", schedule: SCHEDULE });
  assert.ok(newer.notes.includes(`${text}newer has taken its place`), newer.notes.join());
  const once = await scene();
  await handedAtDue(once);
  await once.keeper.end("once was handed out");
  assert.ok(once.notes.includes(`${text}once was handed out`), once.notes.join());
  // It is told once, and of nothing else.
  assert.equal([...newer.notes, ...once.notes].filter((note) => note.includes("left out")).length, 2);
});

test("timetable: a due time that comes in the turn of a hand-out is not lost", async () => {
  const here = await scene();
  const { clock, jobs, keeper, reply } = here;
  const next = jobs.next();
  await turn();
  clock.reach(DUE);
  reply(ODD);
  keeper.look();
  jobs.done((await next)!);
  await runsDue(here);
});
