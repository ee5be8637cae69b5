/**
 * Owns where an agent here has other environments from, and where it keeps that it was told to.
 * Must not know when one is fetched, nor how it is started.
 * Invariant: what the gateway asked for outlives the process until it runs, or is known to have failed.
 */
import type { EnvironmentsPort, Wish } from "../../agent/renewal.ts";
import { askLocalDirectly } from "../../base/no_proxy.ts";
import type { Config } from "../../config/config.ts";
import type { Device } from "../../environment/device/device.ts";
import type { Target } from "../../environment/document/schema.ts";
import { tokenIn } from "../../protocol/token.ts";
import type { Runtime } from "../../runtime/port.ts";
import { fetchedFolder } from "./agents.ts";
import { writeKept } from "./kept_file.ts";
import type { Signatures } from "./trusted.ts";

const MAX_WISH_BYTES = 4096;

/** The gateway's registry and this device; nothing without a gateway, or without a place for environments. */
export function environmentsHere(
  runtime: Runtime,
  { stateDir, gateway, trust }: Pick<Config, "stateDir" | "gateway" | "trust">,
): EnvironmentsPort | undefined {
  if (stateDir === undefined || gateway === undefined || !/^https?:/.test(gateway.url)) return undefined;
  const folder = fetchedFolder(stateDir);
  const file = `${folder}/wanted.json`;
  const write = (wish: { readonly reference: string; readonly id?: string }) =>
    writeKept(file, `${JSON.stringify(wish)}\n`, { folder, runtime });
  return {
    wish: () => wishIn(file, { folder, runtime }),
    want: (reference) => reference === undefined ? runtime.remove(file) : write({ reference }),
    async fetch(reference, { signal, progress }) {
      const [{ renewDevice }, { RegistryLine }, { systemClock }] = await Promise.all([
        import("../../environment/registry/renew.ts"),
        import("../../environment/registry/line.ts"),
        import("../../base/clock.ts"),
      ]);
      const { token, tokenFile, url } = gateway;
      // A file is read anew each time: its token may be another by now.
      const sent = tokenFile === undefined ? token : tokenIn(await runtime.readText(tokenFile));
      askLocalDirectly(runtime, url);
      const line = new RegistryLine({
        url,
        credentials: sent === undefined ? undefined : { token: sent },
        fetch: (address, init) => fetch(address, init),
        clock: systemClock,
        random: Math.random,
        signal,
      });
      const id = await renewDevice(reference, {
        line,
        device: await deviceAt(folder, runtime),
        target: runtime.machine as Target,
        progress,
        ...(trust !== undefined && { verify: verifying(trust, { folder, runtime }) }),
      });
      // Whoever starts next knows by it what became of the trial. Cut off before, it is fetched, and tried, once more.
      await write({ reference, id });
    },
  };
}

/** How the record of an environment is held to the keys that are trusted, and to the versions that were taken. */
export function verifying(
  trust: string,
  { folder, runtime }: Place,
): (text: string, signatures: Signatures) => Promise<void> {
  return async (text, signatures) => {
    const { trustedRecord, versionsIn } = await import("./trusted.ts");
    const taken = await trustedRecord({ text, signatures }, { trust, runtime });
    await versionsIn(`${folder}/versions.json`, runtime).take(taken);
  };
}

interface Place {
  readonly folder: string;
  readonly runtime: Runtime;
}

async function wishIn(
  file: string,
  { folder, runtime }: Place,
): Promise<Wish | undefined> {
  if (await runtime.about(file) === undefined) return undefined;
  const { reference, id } = JSON.parse(await runtime.readText(file, MAX_WISH_BYTES)) as {
    readonly reference?: unknown;
    readonly id?: unknown;
  };
  if (typeof reference !== "string") return undefined;
  if (typeof id !== "string") return { reference, stands: "wanted" };
  const { standsOf } = await import("../../environment/device/standing.ts");
  return { reference, stands: standsOf(await (await deviceAt(folder, runtime)).standing(), id) };
}

async function deviceAt(folder: string, runtime: Runtime): Promise<Device> {
  const [{ Device }, { deviceFiles }] = await Promise.all([
    import("../../environment/device/device.ts"),
    import("../../environment/device/device_files.ts"),
  ]);
  return new Device(folder, deviceFiles(runtime), runtime.program);
}
