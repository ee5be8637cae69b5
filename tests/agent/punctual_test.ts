/**
 * Holds that nothing holds heartbeats up: neither that all workers compute while 10 MB of log come each second, nor that an
 * upload of records hangs. The agent is a process; the gateway's app is served by this one. Nothing is told by when it
 * happened, only by what had happened before, so that a slow machine makes it slow and no more.
 */
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import type { Heartbeat } from "../../src/protocol/messages.ts";
import { startCli, withFiles } from "../rig.ts";

const WORKERS = 2;
const LINE = 100;

/** Heartbeats that must come while one upload hangs, and again when uploads go on. */
const BEATS = 3;

/** Lines that wait to be sent by the end of the first stage: 10 MB. */
const FLOOD = 10_000_000 / LINE;

/** Limit for each stage, which takes some seconds where nothing else goes on. */
const LIMIT_MS = 100_000;

/** Computes without a pause until it is killed, and prints 5 MB a second meanwhile. */
const TASKS = `
export const noise = ({ task }) => {
  const began = performance.now();
  const line = (task + " 2026-11-21T16:00:00.000Z packet 1514 bytes ").padEnd(${
  LINE - 1
}, "0123456789abcdef");
  for (let lines = 0, sum = 0;;) {
    for (const due = (performance.now() - began) * ${
  5_000_000 / LINE / 1000
}; lines < due; lines++) console.log(line);
    for (let at = 0; at < 100_000; at++) sum = (sum * 31 + at) | 0;
  }
};
`;

const PIPELINE = {
  outrider: 1,
  name: "noise",
  tasks: Object.fromEntries(Array.from({ length: WORKERS }, (_, at) => [
    `noise${at}`,
    { run: { module: "./noise.mjs", export: "noise" } },
  ])),
};

/** A gateway that answers to no upload of records until it is told to. */
class StallingGateway {
  /** Heartbeats that told of the run while one and the same upload hung, since its other end has not given it up. */
  during: readonly Heartbeat[] = [];
  /** Those since uploads are answered. */
  since: readonly Heartbeat[] = [];
  #uploads = 0;
  #hangs: Request | undefined;
  #flowing = false;
  readonly #flows = Promise.withResolvers<void>();
  readonly #store = sqliteGatewayStore(":memory:");
  readonly #app = gatewayApp({ store: this.#store, clock: systemClock });
  #look = () => {};

  async fetch(request: Request): Promise<Response> {
    if (request.url.endsWith("/records")) await this.#hang(request);
    const response = await this.#app.fetch(request);
    const told = this.#store.rows.executor("pi")?.heartbeat;
    if (request.url.endsWith("/heartbeat") && told?.run !== undefined) this.#heard(told);
    this.#look();
    return response;
  }

  async #hang(request: Request): Promise<void> {
    this.#uploads++;
    this.#hangs = request;
    this.during = [];
    request.signal.addEventListener("abort", () => {
      if (this.#hangs === request) this.#hangs = undefined;
    });
    await this.#flows.promise;
  }

  #heard(beat: Heartbeat): void {
    if (this.#flowing) this.since = [...this.since, beat];
    else if (this.#hangs !== undefined) this.during = [...this.during, beat];
  }

  /** Answers to what hangs, and to what comes. */
  flow(): void {
    this.#flowing = true;
    this.#flows.resolve();
  }

  /** Until something is so; rejects with the agent, and after the limit with what came meanwhile. */
  async until(what: string, early: Promise<never>, isSo: () => boolean): Promise<void> {
    const over = Promise.withResolvers<void>();
    const limit = setTimeout(
      () => over.reject(new Error(`${what}: not so in time. ${this.#words()}`)),
      LIMIT_MS,
    );
    this.#look = () => {
      if (isSo()) over.resolve();
    };
    this.#look();
    await Promise.race([over.promise, early]).finally(() => clearTimeout(limit));
  }

  #words(): string {
    const waiting = (beats: readonly Heartbeat[]) => beats.map(({ spool }) => spool.log).join(", ");
    return `${this.#uploads} uploads came. Lines that waited, as heartbeats told while the last of them hung: ` +
      `${waiting(this.during)}; since uploads go on: ${waiting(this.since)}`;
  }

  close(): void {
    this.#store.close();
  }
}

test("heartbeats go on while all workers compute, 10 MB of log come a second, and an upload hangs", () =>
  withFiles({ "noise.mjs": TASKS, "noise.json": PIPELINE }, async (cwd) => {
    const gateway = new StallingGateway();
    const served = await runtime.serve({ port: 0, fetch: (request) => gateway.fetch(request) });
    const agent = startCli(["agent"], {
      cwd,
      env: {
        OUTRIDER_GATEWAY: served.url,
        OUTRIDER_EXECUTOR_ID: "pi",
        OUTRIDER_PIPELINE: "noise.json",
        OUTRIDER_STATE_DIR: "state",
        OUTRIDER_HEARTBEAT: "1s",
        OUTRIDER_WORKERS: `${WORKERS}`,
      },
    });
    try {
      const early = agent.ended.then(({ stderr }) => {
        throw new Error(`The agent ended by itself: ${stderr}`);
      });
      early.catch(() => {});
      const flooded = () => (gateway.during.at(-1)?.spool.log ?? 0) >= FLOOD;
      await gateway.until(
        "Heartbeats while an upload hangs",
        early,
        () => gateway.during.length >= BEATS && flooded(),
      );
      gateway.flow();
      await gateway.until("Heartbeats while uploads go on", early, () => gateway.since.length >= BEATS);
    } finally {
      agent.kill("SIGKILL");
      await agent.ended;
      gateway.flow();
      await served.close();
      gateway.close();
    }
  }));
