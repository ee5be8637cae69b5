/**
 * Owns the agent's real world: the runtime, the gateway's dialect, the state directory, the executor.
 * Must not know how the agent works.
 * Invariant: nothing is asked of the network before the agent does.
 */
import { sleep } from "../base/wait.ts";
import { startAgent } from "./agent.ts";
import type { Agent, AgentPort } from "./port.ts";
import { serveAgent } from "./serving.ts";
import { systemClock } from "../base/clock.ts";
import { askLocalDirectly } from "../base/no_proxy.ts";
import type { Config } from "../config/config.ts";
import { inspectedRun } from "../run/run.ts";
import type { Runtime } from "../runtime/port.ts";
import { secretVariables } from "../config/serving.ts";
import { redactorFor } from "../secrets/known.ts";
import { StateDir } from "../run/kept/state_dir.ts";
import type { Gateway } from "../uplink/gateway.ts";
import { netunicornGateway } from "../uplink/dialects/netunicorn/netunicorn.ts";
import { tokenIn } from "../protocol/token.ts";
import { outriderGateway } from "../uplink/dialects/outrider.ts";

/** What the command adds to the world. */
export interface Surroundings extends Pick<AgentPort, "note" | "show" | "version" | "lastEnd"> {
  readonly runtime: Runtime;
  readonly follow: boolean;
  /** Waits until nobody else uses the state directory. Default: that is an error. */
  readonly waits: boolean;
  /** Told the address of the page, with its token; for a person alone. */
  readonly page?: ((url: string) => void) | undefined;
}

/** How often it is looked whether the state directory is free, milliseconds. */
const FREE_MS = 500;

/** Starts an agent on this machine, as soon as its state directory is free. */
export async function startAgentHere(config: Config, surroundings: Surroundings): Promise<Agent> {
  const { runtime, follow, waits, page, ...rest } = surroundings;
  const { version } = rest;
  const token = config.gateway?.token;
  const env = (name: string) => runtime.env(name);
  const redactor = redactorFor(env, {
    names: secretVariables(env),
    more: token === undefined ? [] : [token],
  });
  const note = (text: string) => rest.note(redactor.text(text));
  if (config.gateway !== undefined) askLocalDirectly(runtime, config.gateway.url);
  const state = config.stateDir === undefined
    ? undefined
    : new StateDir(config.stateDir, { runtime, logBytes: config.spoolBytes });
  if (state !== undefined && waits) {
    await whenFree(
      state,
      () => note(`${config.stateDir} is in use by another process: waiting until that has ended`),
    );
  }
  return startAgent(config, {
    ...rest,
    note,
    redactor,
    serve: (view) => serveAgent(config, view, { runtime, version, redactor, note, page }),
    clock: systemClock,
    random: Math.random,
    gateway: gatewayOf(config, async (path) => {
      const renewed = tokenIn(await runtime.readText(path));
      redactor.add([renewed]);
      return renewed;
    }),
    state,
    runtime: `${runtime.name} ${runtime.version}`,
    cores: runtime.cores,
    startRun: inspectedRun,
    readText: (path) => runtime.readText(path),
    exists: async (path) => {
      try {
        await runtime.readText(path);
        return true;
      } catch (error) {
        if ((error as { readonly code?: unknown }).code === "ENOENT") return false;
        throw error;
      }
    },
    memoryBytes: () => runtime.memoryBytes(),
    cpuMs: () => runtime.cpuMs(),
  }, { follow });
}

/** Before anything is told to a gateway, so that two never speak as one. */
async function whenFree(state: StateDir, told: () => void): Promise<void> {
  for (let tries = 0; !await state.lock(); tries++) {
    if (tries === 0) told();
    await sleep(systemClock, FREE_MS);
  }
}

function gatewayOf(
  { gateway, executor, experiment, groups }: Config,
  readToken: (path: string) => Promise<string>,
): Gateway | undefined {
  if (gateway === undefined || executor === undefined) return undefined;
  const options = {
    url: gateway.url,
    fetch: (url: string, init: RequestInit) => fetch(url, init),
    clock: systemClock,
    executor,
    ...(gateway.token === undefined ? {} : { token: gateway.token }),
    ...(gateway.tokenFile === undefined ? {} : { renewToken: () => readToken(gateway.tokenFile!) }),
    ...(experiment === undefined ? {} : { experiment }),
  };
  return gateway.dialect === "netunicorn"
    ? netunicornGateway(options)
    : outriderGateway({ ...options, groups });
}
