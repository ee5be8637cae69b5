/**
 * Owns which program an agent is started from: this one, or another environment's that was fetched onto the device.
 * Must not know how one is fetched, nor when an agent is started.
 * Invariant: what is not there whole is not started; without a state directory there is no other.
 */
import { jsonValue } from "../../model/json_text.ts";
import type { StartedAgent } from "../../agent/supervise.ts";
import { CONTACT_FILE, reached } from "../../run/kept/contact.ts";
import type { Runtime } from "../../runtime/port.ts";

/** Where a state directory has the environments that were fetched. */
export function fetchedFolder(stateDir: string): string {
  return `${stateDir.replace(/(?<=.)[/\\]+$/, "")}/environment`;
}

/** Whether an environment was fetched onto this device, that an agent here may have to be started from. */
export async function hasFetched(
  runtime: Pick<Runtime, "about">,
  stateDir: string | undefined,
): Promise<boolean> {
  return stateDir !== undefined &&
    await runtime.about(`${fetchedFolder(stateDir)}/device.json`) !== undefined;
}

/** What agents are started with. */
export interface AgentsOptions {
  readonly runtime: Runtime;
  readonly stateDir: string | undefined;
  readonly args: readonly string[];
  /** Variables that this program's own environment has laid beneath the device's: another brings its own. */
  readonly own: readonly string[];
}

/** Starts an agent. @param variables Laid over the environment. */
export async function startedAgent(
  { runtime, stateDir, args, own }: AgentsOptions,
  variables: Readonly<Record<string, string>>,
): Promise<StartedAgent> {
  if (stateDir === undefined || !await hasFetched(runtime, stateDir)) {
    return { child: runtime.startSelf(args, variables) };
  }
  const [{ Device }, { deviceFiles }] = await Promise.all([
    import("../../environment/device/device.ts"),
    import("../../environment/device/device_files.ts"),
  ]);
  const device = new Device(fetchedFolder(stateDir), deviceFiles(runtime));
  const start = await device.begin();
  if (start === undefined) return { child: runtime.startSelf(args, variables) };
  // What is on trial has to reach the gateway if what was here before did, and says so in its own words.
  const contact = `${stateDir}/${CONTACT_FILE}`;
  const inReach = () => runtime.readText(contact).then(reached, () => false);
  const hasTo = start.trial && await inReach();
  if (start.trial) await runtime.remove(contact);
  const hasReached = async () => !hasTo || await inReach();
  const without = Object.fromEntries(own.map((name) => [name, undefined]));
  const child = runtime.startSelf(args, { ...without, ...variables }, start.path);
  if (!start.trial) return { child, forget: () => device.forgetCurrent() };
  const [{ isWell }, { systemClock }, { isLocked }] = await Promise.all([
    import("../../agent/trial.ts"),
    import("../../base/clock.ts"),
    import("../../journal/disk/lock.ts"),
  ]);
  return {
    child,
    trial: {
      name: start.id.slice(0, 12),
      isWell: ({ pid }, signal) =>
        isWell({
          clock: systemClock,
          signal,
          answers: () => answers(runtime, { stateDir, pid, signal }),
          isAtWork: () => isLocked(`${stateDir}/lock`),
          reached: hasReached,
        }),
      // Who is to follow the gateway has nothing to end for.
      mayEnd: !args.includes("--follow"),
      reached: hasReached,
      keep: () => device.foundWell(),
      giveUp: () => device.giveUp(),
    },
  };
}

/** Longest that an answer is waited for, milliseconds. */
const ANSWER_MS = 5_000;

/** Whether the agent that is this process answers; `undefined` where it says no address. */
async function answers(
  runtime: Pick<Runtime, "readText" | "askSocket">,
  { stateDir, pid, signal }: {
    readonly stateDir: string;
    readonly pid: number;
    readonly signal: AbortSignal;
  },
): Promise<boolean | undefined> {
  const { systemClock } = await import("../../base/clock.ts");
  const late = new AbortController();
  const cancel = systemClock.after(ANSWER_MS, () => late.abort());
  try {
    const file = jsonValue(await runtime.readText(`${stateDir}/http.json`)) as {
      readonly url?: unknown;
      readonly pid?: unknown;
    };
    // An agent that was killed leaves its own behind.
    if (typeof file.url !== "string" || file.pid !== pid) return undefined;
    const either = AbortSignal.any([signal, late.signal]);
    const { ok } = file.url.startsWith("unix:")
      ? await runtime.askSocket({
        socket: file.url.slice("unix:".length),
        path: "/livez",
        method: "GET",
        headers: {},
        signal: either,
      })
      : await fetch(`${file.url}/livez`, { signal: either });
    return ok;
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "ENOENT" ? undefined : false;
  } finally {
    cancel();
  }
}
