/**
 * Owns the agent's real world: the runtime, the gateway, the state directory, the executor.
 * Must not know how the agent works.
 * Invariant: nothing is asked of the network before the agent does.
 */
import { sleep } from "../base/wait.ts";
import { admissionHere } from "./admission.ts";
import { startAgent } from "./agent.ts";
import type { Agent, AgentPort } from "./port.ts";
import { serveAgent } from "./serving.ts";
import { systemClock } from "../base/clock.ts";
import type { Config } from "../config/config.ts";
import { inspectedRun } from "../run/run.ts";
import type { Runtime } from "../runtime/port.ts";
import { Redactor } from "../secrets/redactor.ts";
import { StateDir } from "../run/kept/state_dir.ts";
import type { ConnectOptions } from "../uplink/dialects/dialect.ts";
import type { Gateway } from "../uplink/gateway.ts";
import { tokenIn } from "../protocol/token.ts";

/** What the command adds to the world. */
export interface AgentSurroundings
  extends Pick<AgentPort, "note" | "show" | "version" | "lastEnd" | "requires" | "carried" | "environments"> {
  readonly runtime: Runtime;
  readonly follow: boolean;
  /** Waits until nobody else uses the state directory. Default: that is an error. */
  readonly waits: boolean;
  /** Told the address of the page, with its token; for a person alone. */
  readonly page?: ((url: string) => void) | undefined;
}

/** Shorter words of a file of secrets are none themselves, characters. */
const SECRET_WORD = 20;

/** How often it is looked whether the state directory is free, milliseconds. */
const FREE_MS = 500;

/** Starts an agent on this machine, as soon as its state directory is free. */
export async function startAgentHere(config: Config, surroundings: AgentSurroundings): Promise<Agent> {
  const { runtime, follow, waits, page, ...rest } = surroundings;
  const { version } = rest;
  const redactor = new Redactor(config.secrets);
  const note = (text: string) => rest.note(redactor.text(text));
  const state = config.stateDir === undefined
    ? undefined
    : new StateDir(config.stateDir, { runtime, logBytes: config.spoolBytes });
  if (state !== undefined && waits) {
    await whenFree(
      state,
      () => note(`${config.stateDir} is in use by another process: waiting until that has ended`),
    );
  }
  const admit = admissionHere(config, { runtime, note });
  return startAgent(config, {
    ...rest,
    ...(admit !== undefined && { admit }),
    note,
    redactor,
    serve: (view) => serveAgent(config, view, { runtime, version, redactor, clock: systemClock, note, page }),
    clock: systemClock,
    random: Math.random,
    newId: () => runtime.newId(),
    gateway: connected(config, {
      environment: runtime,
      readSecret: async (path) => {
        const text = await runtime.readText(path);
        redactor.add(text.split(/\s+/).filter((word) => word.length >= SECRET_WORD));
        return text;
      },
      readToken: async (path) => {
        const renewed = tokenIn(await runtime.readText(path));
        redactor.add([renewed]);
        return renewed;
      },
    }),
    state,
    runtime: `${runtime.name} ${runtime.version}`,
    cores: runtime.cores,
    startRun: inspectedRun,
    readText: (path) => runtime.readText(path),
    openFile: (path, how) => runtime.openFile(path, how),
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

/** The gateway that is configured, whatever it speaks. */
function connected(
  { gateway, executor, experiment, groups }: Config,
  { environment, readSecret, readToken }: Pick<ConnectOptions, "environment" | "readSecret"> & {
    readonly readToken: (path: string) => Promise<string>;
  },
): Gateway | undefined {
  if (gateway === undefined || executor === undefined) return undefined;
  const { dialect, url, token, tokenFile, settings } = gateway;
  return dialect.connect({
    url,
    executor,
    experiment,
    groups,
    token,
    renewToken: tokenFile === undefined ? undefined : () => readToken(tokenFile),
    settings,
    readSecret,
    clock: systemClock,
    random: Math.random,
    environment,
  });
}
