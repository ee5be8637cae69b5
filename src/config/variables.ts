/**
 * Owns the schema of the agent's environment variables: form, range, default, and the words of docs/configuration.md.
 * Must not know where values come from, nor what they are used for.
 * Invariant: a variable that is not in here, or in a dialect's list, is not read; what is read of one is in `Settings`.
 */
import { HEARTBEAT_MS, HOSTNAME, inMebibytes, inSeconds, KILL_GRACE_MS, LOG_BYTES } from "../defaults.ts";
import {
  inGibibytes,
  LOG_LEVEL,
  MAX_FILE_BYTES,
  MAX_FILES_BYTES,
  MAX_WORKERS,
  STOP_GRACE_MS,
} from "../defaults.ts";
import { ENVIRONMENT_FILE } from "./early.ts";
import type { Level } from "../model/record.ts";
import { DIALECTS } from "../uplink/dialects/list.ts";
import {
  addressForm,
  bytesForm,
  durationForm,
  groupsForm,
  hostsForm,
  idForm,
  type KeepAlive,
  keepAliveForm,
  levelForm,
  quietForm,
  serveForm,
  serveTokenForm,
  textForm,
  type VariableForm,
  variablesForm,
  wholeForm,
} from "./forms.ts";

/** Pipeline that is taken if it is there and no other is named. */
export const DEFAULT_PIPELINE = "./outrider.pipeline.json";

/** What the variables say, read. Times in milliseconds, sizes in bytes unless named otherwise. */
export interface Settings {
  readonly address: string | undefined;
  readonly executor: string | undefined;
  readonly experiment: string | undefined;
  readonly groups: readonly string[];
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  /** Path of a pipeline or bundle; `undefined`: the default one, if it is there. */
  readonly pipeline: string | undefined;
  /** File of the environment that this device was given; `undefined`: what is inside of the executable, if anything. */
  readonly environment: string | undefined;
  readonly stateDir: string | undefined;
  readonly heartbeatMs: number;
  readonly keepAlive: KeepAlive;
  readonly spoolBytes: number;
  /** Largest file that a run keeps, and most of all its files. */
  readonly maxFileBytes: number;
  readonly maxFilesBytes: number;
  /** Sends nothing but what is unavoidable until the run is over. */
  readonly quiet: boolean;
  readonly logLevel: Level;
  readonly workers: number | undefined;
  readonly maxWorkers: number;
  readonly workerMemoryMiB: number | undefined;
  readonly stopGraceMs: number;
  readonly killGraceMs: number;
  /** Where the end point is; empty: any free port of 127.0.0.1; `undefined`: there is none. */
  readonly serve: string | undefined;
  readonly serveToken: string | undefined;
  readonly serveHosts: readonly string[];
  readonly secretNames: readonly string[];
  /** Whose pipelines are run: keys and files of them; `undefined`: all are. */
  readonly trust: string | undefined;
}

/** What is said of a variable, for people. */
export interface About {
  readonly name: string;
  readonly about: string;
  /** Form and range. */
  readonly form: string;
  readonly secret?: boolean;
}

/** A variable, and how its text becomes a setting. */
export interface Variable<T> extends About {
  readonly schema: VariableForm<T>;
  /** What holds where it is not set, written as a person would; read by the same schema. */
  readonly fallback?: string;
  /** In words, where the default has no form of its own. */
  readonly fallbackWords?: string;
}

/** A setting that is always there has a default. */
type Table = {
  readonly [F in keyof Settings]: undefined extends Settings[F] ? Variable<Settings[F]>
    : Variable<Settings[F]> & { readonly fallback: string };
};

/** Dialects that are chosen by the scheme of the address, not by a variable of their own. */
function byAddress(): typeof DIALECTS {
  return DIALECTS.filter(({ variables }) =>
    !variables.some(({ standsFor }) => standsFor === "OUTRIDER_GATEWAY")
  );
}

/** Every variable that the agent reads, but for those of the dialects, by what it sets. */
export const VARIABLES: Table = {
  address: {
    name: "OUTRIDER_GATEWAY",
    get schema() {
      const dialects = byAddress();
      return addressForm(
        dialects.flatMap(({ schemes }) => schemes),
        dialects.map(({ schemes }) => schemes[0]!),
      );
    },
    about: "Address of the gateway. Without one, the pipeline has to be a file",
    form: "URL",
  },
  executor: {
    name: "OUTRIDER_EXECUTOR_ID",
    schema: idForm,
    about: "Who this executor is; needed with a gateway",
    form: "id",
  },
  experiment: {
    name: "OUTRIDER_EXPERIMENT_ID",
    schema: idForm,
    about: "The experiment whose flags it shares",
    form: "id",
  },
  groups: {
    name: "OUTRIDER_GROUPS",
    schema: groupsForm,
    about: "Groups it is in; a pipeline for one of them is for it too",
    form: "ids, with commas between",
    fallback: "",
  },
  token: {
    name: "OUTRIDER_TOKEN",
    schema: textForm,
    about: "Token for the gateway",
    form: "text",
    secret: true,
  },
  tokenFile: {
    name: "OUTRIDER_TOKEN_FILE",
    schema: textForm,
    about:
      "File with the token, instead of OUTRIDER_TOKEN: then no list of processes and no task's environment has it. Read again when the gateway refuses the token (401), so it may be replaced",
    form: "path",
  },
  pipeline: {
    name: "OUTRIDER_PIPELINE",
    schema: textForm,
    about: "The pipeline: a bundle, a `.json` file or a module",
    form: "path",
    fallbackWords: `that of the environment, ${DEFAULT_PIPELINE} if it is there, else from the gateway`,
  },
  environment: {
    name: ENVIRONMENT_FILE,
    schema: textForm,
    about:
      "File of the environment that this device was given, with its variables and its pipeline; what installs environments sets it",
    form: "path",
    fallbackWords: "what is inside of the executable, if anything",
  },
  stateDir: {
    name: "OUTRIDER_STATE_DIR",
    schema: textForm,
    about: "Folder for the journal: what survives a restart",
    form: "path",
    fallbackWords: "none: kept in memory",
  },
  heartbeatMs: {
    name: "OUTRIDER_HEARTBEAT",
    schema: durationForm("1s", "1h"),
    about: "Time between two heartbeats, ± 20 %",
    form: "duration",
    fallback: inSeconds(HEARTBEAT_MS),
  },
  keepAlive: {
    name: "OUTRIDER_KEEP_ALIVE",
    schema: keepAliveForm,
    about:
      "What to do when the gateway has been out of reach for so long: `finish` the run and end, `stop` it as SIGTERM does, or `cancel` it; a duration alone means `finish`",
    form: "`forever`, or duration and action",
    fallback: "forever",
  },
  spoolBytes: {
    name: "OUTRIDER_SPOOL_BYTES",
    schema: bytesForm,
    about: "Most log that is kept for the gateway; the oldest goes first, results never",
    form: "bytes, `KiB`, `MiB`, `GiB`",
    fallback: inMebibytes(LOG_BYTES),
  },
  maxFileBytes: {
    name: "OUTRIDER_FILE_SIZE",
    schema: bytesForm,
    about: "Largest file that a task may keep; a larger one is not kept, which the log and the result say",
    form: "bytes, `KiB`, `MiB`, `GiB`",
    fallback: inGibibytes(MAX_FILE_BYTES),
  },
  maxFilesBytes: {
    name: "OUTRIDER_FILES_SIZE",
    schema: bytesForm,
    about:
      "Most bytes of all files that the tasks of one run keep, the same bytes counted once; 10,000 files at the most",
    form: "bytes, `KiB`, `MiB`, `GiB`",
    fallback: inGibibytes(MAX_FILES_BYTES),
  },
  quiet: {
    name: "OUTRIDER_QUIET",
    schema: quietForm,
    about: "`until-done`: nothing is sent while a run goes on, but for one heartbeat that says so",
    form: "`until-done` or `no`",
    fallback: "no",
  },
  logLevel: {
    name: "OUTRIDER_LOG_LEVEL",
    schema: levelForm,
    about: "Least level of log records that are kept, sent and shown",
    form: "`debug` `info` `warn` `error` `critical`",
    fallback: LOG_LEVEL,
  },
  workers: {
    name: "OUTRIDER_WORKERS",
    schema: wholeForm(1, 1024),
    about: "Workers at the start",
    form: "1 to 1024",
    fallbackWords: "the number of cores",
  },
  maxWorkers: {
    name: "OUTRIDER_MAX_WORKERS",
    schema: wholeForm(1, 1024),
    about: "Workers at the most",
    form: "1 to 1024",
    fallback: `${MAX_WORKERS}`,
  },
  workerMemoryMiB: {
    name: "OUTRIDER_WORKER_MEMORY",
    schema: wholeForm(8, 1_048_576),
    about: "Heap cap for one worker, where the runtime enforces one",
    form: "MiB, 8 to 1048576",
    fallbackWords: "the runtime's own",
  },
  stopGraceMs: {
    name: "OUTRIDER_STOP_GRACE",
    schema: durationForm("0s", "24h"),
    about: "What running tasks, and then the report, get to end after a first SIGTERM",
    form: "duration",
    fallback: inSeconds(STOP_GRACE_MS),
  },
  killGraceMs: {
    name: "OUTRIDER_KILL_GRACE",
    schema: durationForm("0s", "1h"),
    about: "What a task gets between being told to stop and being terminated",
    form: "duration",
    fallback: inSeconds(KILL_GRACE_MS),
  },
  serve: {
    name: "OUTRIDER_SERVE",
    schema: serveForm,
    about: "Where the agent answers: status, store, events, log, metrics, a page ([http.md](http.md))",
    form: "`HOST:PORT`, `unix:PATH` or `off`",
    fallback: "",
    fallbackWords: `any free port of ${HOSTNAME}`,
  },
  serveToken: {
    name: "OUTRIDER_SERVE_TOKEN",
    schema: serveTokenForm,
    about: "Token that lets in beside each run's own; needed for an address that others can reach",
    form: "16 to 512 characters",
    secret: true,
  },
  serveHosts: {
    name: "OUTRIDER_SERVE_HOSTS",
    schema: hostsForm,
    about: "Names under which it may be asked, beside those of this machine",
    form: "names, with commas between",
    fallback: "",
  },
  secretNames: {
    name: "OUTRIDER_SECRETS",
    schema: variablesForm,
    about:
      "Variables whose values never appear in what is shown, logged or sent; those of OUTRIDER_TOKEN and OUTRIDER_SERVE_TOKEN never do",
    form: "names, with commas between",
    fallback: "",
  },
  trust: {
    name: "OUTRIDER_TRUST",
    schema: textForm,
    about:
      "Public keys of minisign, or files of them: only bundles signed by one are run, and none that is older than one that was ([bundles.md](bundles.md)). `!ID` revokes a key. Files are read anew for each pipeline",
    form: "keys, paths, `!ID`, with commas between",
    fallbackWords: "none: every pipeline is run",
  },
};
