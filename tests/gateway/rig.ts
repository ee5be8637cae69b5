/**
 * Owns a gateway for a test: its store in memory, its clock moved by hand, and what is asked of it.
 * Must not know what is tested.
 */
import { gatewayApp, type GatewayOptions } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { BatchReply, Heartbeat, RecordBatch } from "../../src/protocol/messages.ts";
import { Activity, HandClock } from "../uplink/rig.ts";

/** What an executor says that runs `r`. */
export const BEAT: Heartbeat = {
  session: "s1",
  version: 1,
  outrider: "0.1.0",
  runtime: "test 1",
  state: "running",
  run: { id: "r", pipeline: "p", state: "running", tasks: 1, counts: {}, running: 0, names: [] },
  spool: { state: 0, log: 0 },
  sentBytes: 0,
  seen: 0,
};

/** The first record of `r`. */
export const STARTED = {
  seq: 1,
  at: 1000,
  type: "run.started",
  run: "r",
  pipeline: "p",
  runtime: "test 1",
  plan: "h",
};

/** A gateway with what it is made of. */
export interface World {
  readonly clock: HandClock;
  readonly store: SqliteGatewayStore;
  readonly app: ReturnType<typeof gatewayApp>;
  readonly activity: Activity;
  ask(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown): Promise<Response>;
  json<T>(path: string): Promise<T>;
  send(batch: Partial<RecordBatch>, executor?: string): Promise<BatchReply>;
  /** Status and code of a refusal; of what is none its status. */
  code(path: string, init?: RequestInit): Promise<string>;
}

/** Makes a gateway. */
export function world(
  { clock = new HandClock(), ...more }: Partial<Omit<GatewayOptions, "clock" | "store">> & {
    readonly clock?: HandClock;
    readonly store?: SqliteGatewayStore;
  } = {},
): World {
  const store = more.store ?? sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock, ...more });
  const ask: World["ask"] = async (path, init = {}) => await app.request(`http://127.0.0.1:9${path}`, init);
  const post: World["post"] = (path, body) => ask(path, { method: "POST", body: JSON.stringify(body) });
  const json = async <T>(path: string) => await (await ask(path)).json() as T;
  const send: World["send"] = async (batch, executor = "e") => {
    const whole = { run: "r", lane: "state", records: [], ...batch };
    return await (await post(`/v1/executors/${executor}/records`, whole)).json() as BatchReply;
  };
  const code: World["code"] = async (path, init) => {
    const answer = await ask(path, init);
    const text = await answer.text();
    return answer.status < 400 ? String(answer.status) : `${answer.status} ${JSON.parse(text).error.code}`;
  };
  return { clock, store, app, activity: new Activity(), ask, post, json, send, code };
}
