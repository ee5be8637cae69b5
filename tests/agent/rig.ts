/**
 * Owns the world of an agent's tests: a gateway in memory, a network that may do harm, a clock moved by hand, real workers.
 * Must not know what is tested.
 * Invariant: nothing is left when a test ends; the clock stands while a run goes on, unless the test lets it go.
 */
import { admissionHere } from "../../src/agent/admission.ts";
import { startAgent } from "../../src/agent/agent.ts";
import type { Agent } from "../../src/agent/port.ts";
import type { EnvironmentsPort } from "../../src/agent/renewal.ts";
import { type AgentView, unserved } from "../../src/agent/serving.ts";
import type { Config } from "../../src/config/config.ts";
import { inspectedRun } from "../../src/run/run.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import { bundleText, makeBundle } from "../../src/pipeline/document/bundle.ts";
import type { ManifestSchedule, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { PlanRequires } from "../../src/pipeline/plan/plan.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import type { StateRuntime } from "../../src/run/kept/state_disk.ts";
import type { Fetch } from "../../src/uplink/port.ts";
import { outriderDialect, outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import { type UserGateway, userGateway } from "../../src/uplink/user.ts";
import { Activity, Chaos, delivered, HandClock, type Harm, seeded } from "../uplink/rig.ts";

const URL_OF_GATEWAY = "http://127.0.0.1:8410";

/** Configuration where nothing else is said. */
export const CONFIG: Config = {
  executor: "pi",
  experiment: "e",
  groups: [],
  gateway: { url: URL_OF_GATEWAY, dialect: outriderDialect, token: undefined, settings: {} },
  pipeline: undefined,
  environment: undefined,
  stateDir: undefined,
  heartbeatMs: 10_000,
  workers: 1,
  maxWorkers: 4,
  workerMemoryMiB: undefined,
  keepAlive: { ms: Infinity, then: "finish" },
  spoolBytes: 67_108_864,
  maxFileBytes: 4 * 1024 ** 3,
  maxFilesBytes: 16 * 1024 ** 3,
  logLevel: "debug",
  quiet: false,
  stopGraceMs: 10_000,
  killGraceMs: 200,
  serve: undefined,
  serveToken: undefined,
  serveHosts: [],
  secretNames: [],
  trust: undefined,
  secrets: [],
};

/** A world with one gateway. */
export class AgentWorld {
  readonly clock: HandClock = new HandClock();
  readonly activity: Activity = new Activity();
  store: SqliteGatewayStore = sqliteGatewayStore(":memory:");
  readonly network: Chaos;
  /** The network that users have: nothing happens to it. */
  readonly user: UserGateway;
  /** What agents told a person. */
  readonly notes: string[] = [];
  /** What the last agent tells its end point. */
  view: AgentView | undefined;
  readonly #random = seeded(7);
  /** The gateway; another may take its place. */
  app: { fetch(request: Request): Response | Promise<Response> } = gatewayApp({
    store: this.store,
    clock: this.clock,
  });

  constructor(harm: Harm = {}) {
    const { clock, activity } = this;
    this.network = new Chaos((request) => this.app.fetch(request), {
      clock,
      activity,
      random: this.#random,
      harm,
    });
    const direct: Fetch = (url, init) =>
      delivered((request) => this.app.fetch(request), { url, init, activity });
    this.user = userGateway({ url: URL_OF_GATEWAY, fetch: direct, clock, random: this.#random });
  }

  /** The gateway ends, and one with another storage takes its place. */
  replaceStore(store: SqliteGatewayStore = sqliteGatewayStore(":memory:")): void {
    this.store = store;
    this.app = gatewayApp({ store, clock: this.clock });
  }

  /** Starts an agent. @param options `free`: the clock goes on while a run does. */
  agent(
    config: Partial<Config> = {},
    options: {
      readonly follow?: boolean;
      readonly free?: boolean;
      readonly lastEnd?: string;
      /** What the gateway must not be told. */
      readonly secrets?: readonly string[];
      /** What the state directory stands on. */
      readonly runtime?: StateRuntime;
      /** What the environment requires. */
      readonly requires?: PlanRequires;
      /** Where other environments come from. */
      readonly environments?: EnvironmentsPort;
      /** The way to the gateway is one by which files are not reported. */
      readonly noFiles?: true;
      /** Called as a run begins. */
      readonly onRun?: () => void;
    } = {},
  ): Agent {
    const { clock, activity } = this;
    const whole = { ...CONFIG, ...config };
    const { executor, experiment, groups } = whole;
    const random = seeded(11);
    const fetch = this.network.fetch;
    const gateway = whole.gateway && outriderGateway({
      url: URL_OF_GATEWAY,
      executor: executor!,
      experiment: experiment!,
      groups,
      fetch,
      clock,
      gzip: activity.gzip,
    });
    if (options.noFiles && gateway !== undefined) Reflect.deleteProperty(gateway, "files");
    const admit = admissionHere(whole, {
      runtime: { ...runtime, ...options.runtime },
      note: (text) => void this.notes.push(text),
    });
    const started = startAgent(whole, {
      clock,
      random,
      newId: () => crypto.randomUUID(),
      gateway,
      state: whole.stateDir === undefined
        ? undefined
        : new StateDir(whole.stateDir, { runtime: options.runtime ?? runtime, logBytes: whole.spoolBytes }),
      runtime: "test 1",
      version: "0.0.0",
      cores: 2,
      serve: (view) => {
        this.view = view;
        return Promise.resolve(unserved(new Redactor(options.secrets ?? [])));
      },
      startRun: (source, more) => {
        options.onRun?.();
        const execution = inspectedRun(source, more);
        if (!options.free) activity.during(Promise.resolve(execution)).catch(() => {});
        return execution;
      },
      exists: (path) => runtime.readText(path).then(() => true, () => false),
      readText: (path) => runtime.readText(path),
      openFile: (path, how) => runtime.openFile(path, how),
      memoryBytes: () => 1_000_000,
      cpuMs: () => 0,
      note: (text) => void this.notes.push(text),
      show: () => () => {},
      lastEnd: options.lastEnd,
      ...(admit !== undefined && { admit }),
      ...(options.requires !== undefined && { requires: options.requires }),
      ...(options.environments !== undefined && { environments: options.environments }),
    }, options.follow === undefined ? {} : { follow: options.follow });
    started.ended.catch(() => {});
    return started;
  }

  /** Moves the clock until the promise settles. */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    for (let idle = 0; !settled && idle < 20_000;) {
      await this.activity.still();
      if (settled) break;
      if (!this.clock.step()) idle++;
      // Workers and files work in real time.
      await new Promise((resolve) => setTimeout(resolve, this.clock.timers > 0 ? 0 : 1));
    }
    if (!settled) throw new Error("Nothing is left to happen, and what was waited for has not");
    return await promise;
  }

  /** Moves the clock until a condition holds. */
  async when(condition: () => boolean | Promise<boolean>): Promise<void> {
    const poll = async () => {
      while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    await this.until(poll());
  }

  close(): void {
    this.store.close();
  }
}

/** A module of tasks, as bundles have it. */
export const CODE = `
export const one = () => { console.log("from one"); return 1; };
export const sum = ({ inputs }) => Object.values(inputs).reduce((a, b) => a + b, 0);
export const chatter = ({ params }) => { for (let at = 0; at < params.lines; at++) console.log("line", at); };
export const wait = ({ signal, log }) => { log.info("waiting"); return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))); };
export const gate = async ({ flags, log }) => { log.info("at the gate"); await flags.waitFor("open", (value) => value === true, { timeout: "10m" }); return "through"; };
export const meet = async ({ flags }) => { const count = await flags.increment("here"); return [count, await flags.waitFor("here", (value) => value === 2, { timeout: "10m" })]; };
export const bad = () => { throw new Error("on purpose"); };
export const levels = ({ log }) => { log.debug("quiet word"); log.error("loud word"); };
`;

/** The bytes of a bundle whose tasks run exports of `CODE`. */
export async function bundleOf(
  name: string,
  tasks: Readonly<Record<string, ManifestTask & { readonly does?: string }>>,
  more: { readonly report?: boolean; readonly schedule?: ManifestSchedule } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const entries = Object.entries(tasks).map(([task, { does = task, ...rest }]) =>
    [task, { run: { module: "bundle:", export: does }, ...rest }] as const
  );
  const manifest = { outrider: 1 as const, name, tasks: Object.fromEntries(entries), ...more };
  return new TextEncoder().encode(bundleText(await makeBundle(manifest, CODE)));
}
