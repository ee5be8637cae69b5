/**
 * Owns `outrider gateway`: serves the reference gateway until it is told to stop.
 * Must not know what the gateway does.
 * Invariant: other machines are let in only with a token; no message shows any of it.
 */
import { GATEWAY_TOKEN, gatewayIn, gatewayTokenIn } from "../../config/asking.ts";
import type { FleetPart } from "../../gateway/fleet/fleet.ts";
import type { Retention } from "../../gateway/retention.ts";
import type { GatewayStore } from "../../gateway/store.ts";
import { isoTime } from "../../base/clock.ts";
import { messageOf } from "../../base/message.ts";
import { GATEWAY_PORT, HOSTNAME } from "../../defaults.ts";
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import type { Runtime } from "../../runtime/port.ts";
import { isLoopback } from "../../base/loopback.ts";
import { size, wholeNumber } from "../line/options.ts";

/** Most connections at a time: executors keep one each. */
const CONNECTIONS = 8_000;
/** Where the token comes from, as a message about it names them. */
const NAMES = { value: GATEWAY_TOKEN, file: "--token-file" };

interface Flags {
  readonly port: number;
  readonly host: string;
  readonly db: string;
  readonly registry?: string;
  readonly registrySize: number;
  readonly files?: string;
  readonly filesSize: number;
  readonly backup?: string;
  readonly restore?: string;
  readonly keepDays: number;
  readonly dbSize: number;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly nats?: string;
  readonly creds?: string;
}

/** The token that users and executors have to send; `undefined` if nobody has to send one. */
async function tokenOf({ token, tokenFile }: Flags, runtime: Runtime): Promise<string | undefined> {
  if (token !== undefined && tokenFile !== undefined) {
    throw new UsageError("--token and --token-file: one of them is enough");
  }
  if (tokenFile === undefined) return token ?? gatewayTokenIn(runtime.env);
  try {
    return (await runtime.readText(tokenFile)).replace(/\r?\n$/, "");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--token-file ${tokenFile} can't be read: ${why}`, { cause });
  }
}

/** Takes part in a fleet, where one is named. */
async function fleetOf(
  { nats, creds }: Flags,
  { store, retention, runtime, stderr, onDefect }: {
    readonly store: GatewayStore;
    readonly retention: Retention;
    readonly runtime: Runtime;
    readonly onDefect: (error: unknown) => void;
    readonly stderr: CliContext["runtime"]["stderr"];
  },
): Promise<FleetPart | undefined> {
  if (nats === undefined) return undefined;
  const [{ joinFleet }, { systemClock }] = await Promise.all([
    import("../../gateway/fleet/fleet.ts"),
    import("../../base/clock.ts"),
  ]);
  const named = gatewayIn(runtime.env);
  const file = creds ?? named.credsFile;
  let trouble = false;
  return await joinFleet({
    url: nats,
    ...(file !== undefined && { readCreds: () => runtime.readText(file) }),
    ...(file === undefined && { token: named.token }),
    store,
    clock: systemClock,
    random: Math.random,
    isFull: () => retention.isFull,
    onTrouble: (error) => {
      if (trouble === (error !== undefined)) return;
      trouble = error !== undefined;
      stderr.write(
        error === undefined
          ? "The fleet's servers are in reach again\n"
          : `The fleet's servers can't be read, trying again: ${error.message}\n`,
      );
    },
    onDefect,
  });
}

/**
 * Has a database for itself: what a gateway knows of who is there, and of who may ask, is its own. Who only reads does not ask.
 *
 * @returns What lets go of it.
 * @throws {GatewayOpenError} If a gateway serves it, or one is being put back there.
 */
async function locked(db: string): Promise<() => void> {
  if (db === ":memory:") return () => {};
  const [{ lockFile }, { GatewayOpenError }] = await Promise.all([
    import("../../journal/disk/lock.ts"),
    import("../../gateway/failure.ts"),
  ]);
  const path = `${db}.lock`;
  const release = await lockFile(path).catch((cause) => {
    const message = `${path} can't be used: ${
      messageOf(cause)
    }: check that the folder is there and can be written`;
    throw new GatewayOpenError(message, { cause });
  });
  if (release !== undefined) return release;
  throw new GatewayOpenError(
    `Another gateway serves ${db}, or a copy is being put back there (it holds ${path}): one does at a time; end it, or name another --db`,
  );
}

/** Copies what a gateway keeps, or puts a copy back, beside any gateway that runs. */
async function copied({ runtime: { stdout, stderr } }: CliContext, flags: Flags): Promise<void> {
  const { db, backup, restore: from } = flags;
  if (backup !== undefined && from !== undefined) {
    throw new UsageError("--backup and --restore: one of them at a time");
  }
  if (db === ":memory:") throw new UsageError("--db :memory: is in no file: name the one that is meant");
  const [{ backUp, restore }, { systemClock }, { runtime }] = await Promise.all([
    import("../../gateway/backup.ts"),
    import("../../base/clock.ts"),
    import("../../runtime/runtime.ts"),
  ]);
  const places = {
    db,
    files: flags.files ?? `${db}.files`,
    registry: flags.registry ?? `${db}.registry`,
  };
  if (backup !== undefined) {
    const { at, runs, blobs, broken } = await backUp(places, {
      to: backup,
      files: runtime,
      clock: systemClock,
    });
    stdout.write(`${backup}\n`);
    stderr.write(`Copied ${db} as it was at ${at}: ${runs} runs; files and what was pushed: ${blobs}\n`);
    if (broken > 0) stderr.write(`Left out, since they are broken where they are kept: ${broken}\n`);
    return;
  }
  const unlock = await locked(db);
  const { at, runs, open, blobs } = await restore(places, { from: from!, files: runtime }).finally(unlock);
  stdout.write(`${db}\n`);
  stderr.write(
    `Put back what was kept at ${at}: ${runs} runs; files and what was pushed: ${blobs}
Not all had come of ${open} of the runs: their executors send the rest again as far as they still have it.
Runs that began after that and ended since are gone, unless their executors still have them.
Tokens that were withdrawn since let in again: withdraw them anew.\n`,
  );
}

async function gateway(this: CliContext, flags: Flags): Promise<void> {
  if (flags.backup !== undefined || flags.restore !== undefined) return await copied(this, flags);
  const { port, host, db, keepDays } = flags;
  const { stdout, stderr } = this.runtime;
  const [
    { gatewayApp },
    { Retention },
    { Tokens },
    { sqliteGatewayStore },
    { systemClock },
    { runtime },
    { checkToken },
  ] = await Promise.all([
    import("../../gateway/app.ts"),
    import("../../gateway/retention.ts"),
    import("../../gateway/tokens.ts"),
    import("../../gateway/sqlite.ts"),
    import("../../base/clock.ts"),
    import("../../runtime/runtime.ts"),
    import("../../protocol/token.ts"),
  ]);
  const given = await tokenOf(flags, runtime);
  const token = given === undefined ? undefined : checkToken(given, NAMES);
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `--host ${host} lets other machines in: give the gateway a token by OUTRIDER_GATEWAY_TOKEN or --token-file, or keep to 127.0.0.1`,
    );
  }
  const unlock = await locked(db);
  let unlisten = () => {};
  // Before there is anything that a signal would leave behind.
  const told = new Promise<void>((end) => {
    unlisten = runtime.onSignal(() => {
      unlisten();
      end();
    });
  });
  const store = sqliteGatewayStore(db);
  // What is kept in memory goes with the process, and so does what was pushed.
  const passing = db === ":memory:" && flags.registry === undefined
    ? await runtime.makeTempFolder()
    : undefined;
  const folder = passing ?? flags.registry ?? `${db}.registry`;
  const passingFiles = db === ":memory:" && flags.files === undefined
    ? await runtime.makeTempFolder()
    : undefined;
  const onDefect = (error: unknown) => stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  const retention = new Retention({
    ...{ store, clock: systemClock, keepDays, maxBytes: flags.dbSize, onDefect },
    isQueue: flags.nats === undefined,
    onDropped: (words) => stderr.write(`${isoTime(systemClock.now())} ${words}\n`),
  });
  let fleet: FleetPart | undefined;
  try {
    fleet = await fleetOf(flags, { store, retention, runtime, stderr, onDefect });
    const tokens = new Tokens(store);
    if (token !== undefined) await tokens.put({ name: "cli", kind: "both" }, token);
    const app = gatewayApp({
      store,
      clock: systemClock,
      registry: { files: runtime, folder, maxBytes: flags.registrySize },
      files: {
        files: runtime,
        folder: passingFiles ?? flags.files ?? `${db}.files`,
        maxBytes: flags.filesSize,
        maxBlobBytes: flags.filesSize,
      },
      ...(token === undefined ? {} : { tokens }),
      ...(fleet !== undefined && { desk: fleet.desk, bells: fleet.bells, heard: fleet.heard }),
      retention,
      onDefect,
    });
    retention.start();
    const fetch = (request: Request) => app.fetch(request);
    const served = await runtime.serve({ fetch, hostname: host, port, connections: CONNECTIONS });
    stdout.write(`${served.url}\n`);
    stderr.write(
      `Gateway on ${served.url}, ${db === ":memory:" ? "in memory" : `kept in ${db}`}, ${
        token === undefined ? "for this machine only, without tokens" : "with a token"
      }; Ctrl-C ends it\n`,
    );
    await told;
    await served.close();
  } finally {
    unlisten();
    await fleet?.stop();
    await retention.stop();
    store.close();
    unlock();
    for (const each of [passing, passingFiles]) if (each !== undefined) await runtime.remove(each);
  }
}

/** `outrider gateway` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: gateway,
  parameters: {
    flags: {
      port: {
        kind: "parsed",
        parse: wholeNumber(0, 65_535),
        default: `${GATEWAY_PORT}`,
        placeholder: "N",
        brief: "Port; 0 for any that is free",
      },
      host: {
        kind: "parsed",
        parse: String,
        default: HOSTNAME,
        placeholder: "ADDRESS",
        brief: "Address to listen on",
      },
      db: {
        kind: "parsed",
        parse: String,
        default: "outrider-gateway.db",
        placeholder: "FILE",
        brief: "Database; :memory: keeps nothing",
      },
      registry: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief:
          "Folder for what is pushed: images, environments (default: the database's name with .registry)",
      },
      registrySize: {
        kind: "parsed",
        parse: size,
        default: "64GiB",
        placeholder: "SIZE",
        brief: "Most that is kept of what is pushed",
      },
      files: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief: "Folder for the files that runs keep (default: the database's name with .files)",
      },
      filesSize: {
        kind: "parsed",
        parse: size,
        default: "64GiB",
        placeholder: "SIZE",
        brief: "Most that is kept of the files of runs",
      },
      backup: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief: "Copy what a gateway keeps to a new folder, also while it runs, and end",
      },
      restore: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief: "Put such a copy back, checked, where there is no database yet, and end",
      },
      keepDays: {
        kind: "parsed",
        parse: wholeNumber(0, 36_500),
        default: "90",
        placeholder: "N",
        brief: "Days of which nothing is heard of a run, executor or flag until it is dropped; 0: never",
      },
      dbSize: {
        kind: "parsed",
        parse: size,
        default: "16GiB",
        placeholder: "SIZE",
        brief: "Most that the database has; complete runs make room, the one heard longest ago first",
      },
      nats: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "URL",
        brief: "NATS servers of a fleet, whose devices report there and not here (docs/fleet.md)",
      },
      creds: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Credentials for them (default: the file that OUTRIDER_CREDS_FILE names)",
      },
      tokenFile: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "File with the token that users and executors have to send; needed to let other machines in",
      },
      token: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "TOKEN",
        brief: "The same on the command line, where every user of this machine can read it",
      },
    },
  },
  docs: {
    brief: "Serve a reference gateway: hand out pipelines, take results and logs",
    fullDescription:
      `Serves a reference gateway: it hands out pipelines, takes heartbeats, results and logs, and holds flags. It is a
registry too: images and environments are pushed to it and pulled from it by outrider environment, docker, podman, skopeo,
oras or crane, with any user and the token as the password.

Its address is the one line on stdout; a browser shows a page there, with executors and runs. Ctrl-C or SIGTERM ends it.

The token that users and executors have to send comes from OUTRIDER_GATEWAY_TOKEN, or from a file by --token-file:
what stands behind --token is shown to every user of this machine in its list of processes. Without a token only
this machine is let in, and a database that holds tokens is not served.`,
    customUsage: [
      "[--port N] [--db FILE] [--token-file FILE]",
      { input: "--token-file token", brief: `on this machine, http://${HOSTNAME}:${GATEWAY_PORT}` },
      {
        input: "--db g.db --backup copies/monday",
        brief: "copy all that a gateway on g.db keeps, while it runs",
      },
      { input: "--host 0.0.0.0 --token-file token", brief: "for other machines too; put TLS in front of it" },
    ],
  },
});
