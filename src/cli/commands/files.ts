/**
 * Owns `outrider files`: lists the files that the tasks of a run have kept, and saves one, from a gateway, from the executor
 * on this machine, or from a state directory that none uses.
 * Must not know how any of them keeps files.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { systemClock } from "../../base/clock.ts";
import { nameToSave } from "../../base/saved_name.ts";
import { indented } from "../../base/harmless.ts";
import { sleep } from "../../base/wait.ts";
import { isKeptFile, type KeptFile } from "../../model/file.ts";
import { type AttemptKey, attemptKeyOf } from "../../model/record.ts";
import { UnreachableError } from "../../uplink/errors.ts";
import { type EndPoint, type EndPointFlags, endPointFlags, endPointOf, isHere } from "../ask/end_point.ts";
import { gatewayFlags } from "../ask/gateway_flags.ts";
import { type GatewayFlags, gatewayOf } from "../ask/gateway_options.ts";
import { type CliContext, EXIT } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { SaveError, saveFile, type ToSave } from "../run/saved_file.ts";
import { columns } from "../view/columns.ts";

/** Pieces of a copy. */
const PIECE_BYTES = 256 * 1024;
/** How often in a row a broken connection is taken up again, and after how long, milliseconds. */
const TRIES = 10;
const PAUSE_MS = 2_000;

interface Flags extends GatewayFlags, EndPointFlags {
  readonly get?: string;
  readonly output?: string;
  readonly json?: boolean;
}

/** A file where it was found. */
type Found = KeptFile & AttemptKey & { readonly run?: string; readonly here?: boolean };

/** Files, and how the bytes of one come. */
interface Files<F extends Found = Found> {
  readonly files: readonly F[];
  readonly save: (file: F) => Pick<ToSave, "pieces" | "again">;
}

async function files(this: CliContext, flags: Flags, run?: string): Promise<void> {
  const { stdout } = this.runtime;
  if (flags.output !== undefined && flags.get === undefined) {
    throw new UsageError("--output says where a file is saved: say which by --get NAME");
  }
  const here = isHere(flags, { env: this.runtime.env, run }) || flags.stateDir !== undefined;
  const found = here ? await filesHere(this, flags, run) : await filesAtGateway(this, flags, run);
  if (flags.get === undefined) {
    if (flags.json) return stdout.json(`${JSON.stringify(found.files.map(plain))}\n`);
    return stdout.write(table(found.files));
  }
  const file = chosen(found.files, flags.get);
  const path = flags.output ?? nameToSave(file.name);
  const { runtime: system } = await import("../../runtime/runtime.ts");
  try {
    await saveFile({ file, path, ...found.save(file) }, system);
  } catch (error) {
    if (!(error instanceof SaveError)) throw error;
    this.runtime.stderr.write(`${indented(error.message)}\n`);
    this.exitCode = EXIT.failed;
    return;
  }
  if (flags.json) stdout.json(`${JSON.stringify({ ...plain(file), path })}\n`);
  else stdout.write(`${path}\n`);
}

function plain({ run, task, iteration, attempt, item, name, sha256, bytes, here }: Found): Found {
  return {
    ...(run !== undefined && { run }),
    ...attemptKeyOf({ task, iteration, attempt, item }),
    ...{ name, sha256, bytes },
    ...(here !== undefined && { here }),
  };
}

function table(files: readonly Found[]): string {
  const runs = files.some(({ run }) => run !== undefined);
  const rows = files.map(({ run = "", task, iteration, attempt, item, name, bytes, sha256, here }) => [
    ...(runs ? [run] : []),
    whoseOf({ task, item }),
    iteration === 0 ? String(attempt) : `${iteration}:${attempt}`,
    name,
    String(bytes),
    sha256.slice(0, 12),
    here === false ? "not here yet" : "",
  ]);
  return columns([[...(runs ? ["RUN"] : []), "TASK", "ATTEMPT", "NAME", "BYTES", "SHA-256", ""], ...rows]);
}

/** Whose it is, as the list shows it: of a mapped task with the item. */
function whoseOf({ task, item }: { readonly task: string; readonly item?: number | undefined }): string {
  return item === undefined ? task : `${task} (${item})`;
}

/** The last file that is meant. @throws {UsageError} If there is none. */
function chosen<F extends Found>(files: readonly F[], wanted: string): F {
  const fits = (file: Found) =>
    file.name === wanted || `${file.task}/${file.name}` === wanted ||
    `${whoseOf(file)}/${file.name}` === wanted ||
    /^[0-9a-f]{8,64}$/.test(wanted) && file.sha256.startsWith(wanted);
  const found = files.filter(fits);
  const whose = new Set(found.map(whoseOf));
  if (whose.size > 1 && new Set(found.map(({ sha256 }) => sha256)).size > 1) {
    throw new UsageError(
      `There are several files ${JSON.stringify(wanted)}, and they differ: say which by TASK/NAME (${
        [...whose].slice(0, 5).join(", ")
      }${whose.size > 5 ? ` and ${whose.size - 5} more` : ""})`,
    );
  }
  const last = found.at(-1);
  if (last !== undefined) return last;
  const names = [...new Set(files.map(({ name }) => name))].slice(0, 5).join(", ");
  throw new UsageError(
    `There is no file ${JSON.stringify(wanted)}: ${
      files.length === 0 ? "none is kept" : `there are ${names}`
    }`,
  );
}

async function filesAtGateway(
  { runtime }: CliContext,
  flags: Flags,
  run: string | undefined,
): Promise<Files> {
  if (run === undefined) {
    throw new UsageError(
      "Say which run: RUN as outrider results lists it, or --state-dir or --url of an executor here",
    );
  }
  const gateway = gatewayOf(flags, runtime);
  let broken = { at: -1, times: 0 };
  return {
    files: await gateway.files(run),
    save: ({ sha256 }) => ({
      pieces: (at) => gateway.file(run, { sha256, at }),
      again: async (error, at) => {
        broken = { at, times: at > broken.at ? 1 : broken.times + 1 };
        if (!(error instanceof UnreachableError) || broken.times > TRIES) return false;
        runtime.stderr.write(`${indented(error.message)}; going on\n`);
        await sleep(systemClock, PAUSE_MS);
        return true;
      },
    }),
  };
}

/** Of a state directory that nobody uses, or of who does, or of the executor at an address. */
async function filesHere({ runtime }: CliContext, flags: Flags, run: string | undefined): Promise<Files> {
  if (flags.url === undefined && flags.stateDir !== undefined) {
    const { filesIn } = await import("../../run/kept/kept_files.ts");
    const files = await filesIn(flags.stateDir);
    if (files !== undefined) {
      const own = run === undefined ? files : files.filter((file) => file.run === run);
      const paths = new Map(own.map((file) => [file.sha256, file.path]));
      return {
        files: own,
        save: ({ sha256 }) => ({ pieces: (at) => piecesOf(paths.get(sha256)!, at) }),
      };
    }
  }
  if (run !== undefined) {
    throw new UsageError("An executor on this machine has one run at a time: leave RUN out");
  }
  const endPoint = await endPointOf(flags, runtime);
  const told = (await endPoint.ask("/files")).json<{ files: readonly Found[] }>(({ files }) =>
    Array.isArray(files) && files.every(isKeptFile)
  );
  return {
    files: told.files,
    save: ({ sha256 }) => ({ pieces: (at) => piecesAt(endPoint, { sha256, at }) }),
  };
}

/** An executor gives all of a file, from its beginning on: there is nothing more where that came to its end too early. */
async function* piecesAt(
  endPoint: EndPoint,
  { sha256, at }: { readonly sha256: string; readonly at: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  if (at === 0) yield* endPoint.pieces(`/files/${sha256}`);
}

async function* piecesOf(path: string, from: number): AsyncGenerator<Uint8Array, void, undefined> {
  const { runtime } = await import("../../runtime/runtime.ts");
  const file = await runtime.openFile(path, "read");
  try {
    for (let at = from;;) {
      const piece = await file.read(at, PIECE_BYTES);
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  } finally {
    await file.close();
  }
}

/** `outrider files` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: files,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "RUN",
        brief: "The run's id, as outrider results lists it; not with --url",
        parse: String,
        optional: true,
      }],
    },
    flags: {
      get: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "NAME",
        brief:
          "Save this file: its name, TASK/NAME as it is listed, or the first 8 or more digits of its SHA-256",
      },
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Where to save it (default: under its name, here); a file that is there is not written over",
      },
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print JSON",
      },
      ...endPointFlags,
      ...gatewayFlags,
    },
    aliases: { o: "output" },
  },
  docs: {
    brief: "List the files that the tasks of a run have kept, and save one",
    customUsage: [
      "[RUN] [--get NAME] [--output FILE] [--json]",
      { input: "RUN --get capture.pcap", brief: "save one from the gateway" },
      { input: "--state-dir state", brief: "list those of the runs that are kept on this machine" },
    ],
  },
});
