/**
 * Owns `outrider environment install`: installs on this machine what was built, or what a registry has.
 * Must not know how anything is installed.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { trustIn } from "../../../config/asking.ts";
import type { Target } from "../../../environment/document/schema.ts";
import type { InstalledPlace } from "../../../environment/install/place.ts";
import type { WantedFiles } from "../../../environment/registry/deliver.ts";
import type { Taken } from "../../../trust/versions.ts";
import { gatewayFlags } from "../../ask/gateway_flags.ts";
import type { GatewayFlags } from "../../ask/gateway_options.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";
import { leavingOnSignals } from "../../run/leaving.ts";
import type { FileTrust, Trust } from "../../run/trusted.ts";
import { installerArguments, type InstallerFlags, installerFlags } from "../../run/installer_flags.ts";

interface Flags extends GatewayFlags, InstallerFlags {
  readonly id?: string;
  readonly start?: boolean;
}

/** Where it is installed, and who is trusted there, if it is said. */
interface Here {
  readonly place: InstalledPlace;
  readonly trusting?: FileTrust;
}

/** What is installed. */
interface Installer {
  readonly path: string;
  /** There if a trusted key has signed it. */
  readonly taken?: Taken;
}

async function install(this: CliContext, flags: Flags, what: string): Promise<void> {
  const { runtime } = await import("../../../runtime/runtime.ts");
  const here = await placeOf.call(this, flags);
  const about = await runtime.about(what);
  if (about !== undefined) {
    const taken = here.trusting && await (await import("../../run/trusted.ts")).trustedFiles(
      what,
      here.trusting,
    );
    const path = about.isFolder ? await installerIn(what) : what;
    return await run.call(this, flags, { path, ...(taken && { taken }) }, here);
  }
  const folder = await runtime.makeTempFolder();
  try {
    const pull = () => pulled.call(this, flags, { text: what, folder }, here.trusting);
    const taken = await leavingOnSignals(this.runtime, pull);
    await run.call(this, flags, { path: await installerIn(folder), ...(taken && { taken }) }, here);
  } finally {
    await runtime.remove(folder);
  }
}

/** What the device is configured to trust counts too: whoever installs there need not know of it. */
async function placeOf(this: CliContext, flags: Flags): Promise<Here> {
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { configuredIn, installedPlace } = await import("../../../environment/install/place.ts");
  const place = installedPlace(flags, this.runtime.env);
  const { configuration } = place;
  const trust = trustIn(this.runtime.env) ??
    (await runtime.about(configuration) === undefined
      ? undefined
      : configuredIn(await runtime.readText(configuration), "OUTRIDER_TRUST"));
  return { place, ...(trust !== undefined && { trusting: { trust, runtime } }) };
}

/** Path of the installer that was built into a folder, which is as its record says. */
async function installerIn(folder: string): Promise<string> {
  const { digestOf, pathIn } = await import("../../../runtime/disk.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { MADE_FILE, readMade } = await import("../../../environment/made.ts");
  if (await runtime.about(pathIn(folder, MADE_FILE)) === undefined) {
    throw new UsageError(`${folder} has no ${MADE_FILE}: it is not where an environment was built`);
  }
  const record = readMade(await runtime.readText(pathIn(folder, MADE_FILE)), MADE_FILE);
  const file = record.files.find(({ kind, target }) => kind === "script" && target === undefined);
  if (file === undefined) {
    throw new UsageError(
      `${folder} has no install script: build it with outrider environment build --kind script; an executable needs no installing`,
    );
  }
  const path = pathIn(folder, file.name);
  const { digest } = await digestOf(path, "sha256");
  if (digest === file.sha256) return path;
  throw new UsageError(`${path} is not what was built: its SHA-256 is ${digest}, not ${file.sha256}`);
}

/** Fetches what of an environment is for this machine. */
async function pulled(
  this: CliContext,
  flags: Flags,
  { text, folder }: { readonly text: string; readonly folder: string },
  trusting: Trust | undefined,
): Promise<Taken | undefined> {
  const { registryOf, trustedAt } = await import("../../ask/registry.ts");
  const { manifestOf } = await import("../../../environment/registry/pull.ts");
  const { pullMade, recordOf } = await import("../../../environment/registry/deliver.ts");
  const { referenceText, referredBy } = await import("../../../environment/registry/reference.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { Steps } = await import("../../view/steps.ts");
  const { reference, line } = await registryOf(text, flags, this.runtime);
  const { repository } = reference;
  const found = await manifestOf(line, repository, referredBy(reference));
  const made = found && await recordOf({ line, repository }, found);
  if (found === undefined || made === undefined) {
    throw new UsageError(
      `${
        referenceText(reference)
      } is neither a file here nor an environment in ${line.url}: outrider environment list tells what is`,
    );
  }
  const taken = trusting && await trustedAt({ line, repository }, { found, text: made.text }, trusting);
  const steps = new Steps(this.runtime.stderr);
  const progress = (step: string, done?: number, total?: number) => steps.tell(step, done, total);
  // A machine that nothing is made for is refused with what there is.
  const wanted: WantedFiles = { kinds: ["script"], targets: [runtime.machine as Target] };
  const judge = trusting && await (await import("../../run/trusted.ts")).judgeOf(trusting);
  await pullMade({ line, repository, folder, files: runtime, progress }, found, { ...made, ...wanted, judge })
    .finally(() => steps.end());
  return taken;
}

async function run(
  this: CliContext,
  flags: Flags,
  { path, taken }: Installer,
  { place }: Here,
): Promise<void> {
  const { runInstaller } = await import("../../../environment/install/run_installer.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { gateway, token, id, start } = flags;
  const versions = taken &&
    (await import("../../run/trusted.ts")).versionsIn(`${place.prefix}/taken.json`, runtime);
  if (taken) await versions!.check(taken);
  const { stdout, stderr } = this.runtime;
  this.exitCode = await runInstaller(path, {
    runtime,
    args: [
      ...installerArguments(flags),
      ...(start === false ? ["--no-start"] : []),
      ...(taken ? ["--checked"] : []),
    ],
    variables: {
      ...(gateway !== undefined && { OUTRIDER_GATEWAY: gateway }),
      ...(token !== undefined && { OUTRIDER_TOKEN: token }),
      ...(id !== undefined && { OUTRIDER_EXECUTOR_ID: id }),
    },
    onOutput: (stream, bytes) =>
      (stream === "stdout" ? stdout : stderr).write(new TextDecoder().decode(bytes)),
  });
  // Only what is installed counts: what was not well is none that others could be older than.
  if (taken && this.exitCode === 0 && !flags.dryRun) await versions!.take(taken);
}

/** `outrider environment install` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: install,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "WHAT",
        brief: "Where it was built, its install script, or NAME:TAG of a registry",
        parse: String,
      }],
    },
    flags: {
      id: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "ID",
        brief: "Who this executor is (default: OUTRIDER_EXECUTOR_ID)",
      },
      start: {
        kind: "boolean",
        optional: true,
        brief: "Start its service (default: where it is configured)",
      },
      ...installerFlags,
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Install an environment on this machine, or upgrade it; what is not well goes back",
    customUsage: [
      "WHAT [--gateway URL] [--id ID] [--user] [--dry-run]",
      {
        input: "out --gateway https://gateway.example --id pi-7",
        brief: "what was built into out, as a service",
      },
      { input: "probe:2", brief: "what the gateway has" },
    ],
  },
});
