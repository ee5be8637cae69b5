/**
 * Owns the end point of one process: where it listens, its tokens, which run it answers for, who is told its address.
 * Must not know what its routes answer (http/ does), nor how a run is carried out.
 * Invariant: an address that others can reach is not taken without a token of the operator's; each run has a token of its
 * own, which no log holds.
 */
import { messageOf } from "../base/message.ts";
import { askDirectly } from "../base/no_proxy.ts";
import type { Clock } from "../base/clock.ts";
import { httpApp } from "../http/app.ts";
import { pageDocument } from "../page/page.ts";
import {
  HTTP_LIMITS,
  type HttpCondition,
  type HttpGateway,
  type HttpRun,
  type HttpState,
  type HttpTimetable,
  ROOM_SIZE,
} from "../http/port.ts";
import { Opened } from "../base/web/opened.ts";
import { NotDue } from "../run/not_due.ts";
import type { InspectedExecution } from "../run/inspection.ts";
import type { Journal } from "../journal/journal.ts";
import { redactingJournal } from "../secrets/journal.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { Runtime, Served } from "../runtime/port.ts";
import { randomHex } from "../base/bytes.ts";
import { isLoopback } from "../base/loopback.ts";
import { sleep } from "../base/wait.ts";
import { endPointVariables } from "../config/asking.ts";
import { type ServeAddress, serveAddress, ServingError } from "../config/serve_address.ts";
import { exposure, isOperatorToken, type OperatorSettings, TOKEN_FORM } from "../config/serving.ts";

export type { HttpCondition, HttpGateway, HttpState, HttpTimetable } from "../http/port.ts";

/** Of a new token: 256 random bits. */
const TOKEN_BYTES = 32;

/** How long followers get to read the last of a run before they are cut off, milliseconds. */
const FAREWELL_MS = 500;
/** What the last bytes of an answer get to leave this process, milliseconds. */
const LEAVING_MS = 100;

/** The part of the runtime that is needed. */
export type ServingRuntime = Pick<
  Runtime,
  | "name"
  | "version"
  | "pid"
  | "env"
  | "serve"
  | "readText"
  | "writeText"
  | "remove"
  | "makeFolder"
  | "openFile"
  | "setEnv"
>;

/** How the end point is served. */
export interface ServingOptions {
  readonly runtime: ServingRuntime;
  /** Outrider's version. */
  readonly version: string;
  /** `HOST:PORT`, `HOST`, `:PORT` or `unix:PATH`. Default: any free port of 127.0.0.1. */
  readonly address?: string;
  /** Default: no token of the operator's, and no names. */
  readonly operator?: OperatorSettings;
  readonly clock: Clock;
  /** The executor's id. Default: `local`. */
  readonly executor?: string;
  /** Where `http.json` is written, for this user alone. Default: nowhere. */
  readonly stateDir?: string;
  readonly gateway?: () => HttpGateway | undefined;
  readonly conditions?: () => readonly HttpCondition[];
  /** Why the executor can't work, if it can't. */
  readonly unable?: () => string | undefined;
  /** What the executor does, where it is more than one run. */
  readonly state?: () => HttpState;
  /** The timetable that it keeps to. */
  readonly timetable?: () => HttpTimetable | undefined;
  /** Knows what is secret beside the run's token. */
  readonly redactor: Redactor;
  /** Told, in words, of defects and of a state directory that takes no `http.json`. */
  readonly note?: (text: string) => void;
}

/** What `http.json` holds. */
export interface ServingFile {
  /** `http://HOST:PORT` or `unix:PATH`. */
  readonly url: string;
  readonly token: string;
  readonly pid: number;
}

/** An end point that is being served. */
export interface Serving {
  /** `http://HOST:PORT` or `unix:PATH`. */
  readonly url: string;
  /** The token of the run that goes on, or of the next one. */
  readonly token: string;
  /** Variables for what tasks start: `OUTRIDER_URL`, `OUTRIDER_TOKEN`, and `OUTRIDER_SOCKET` for a Unix socket. */
  environment(): Readonly<Record<string, string>>;
  /** Takes out what is secret in the run that goes on. */
  readonly redactor: Redactor;
  /** The journal for a run, with a log that holds no secrets. */
  journal(journal: Journal): Journal;
  /** From now on it answers for this run. The one before it, and its token, count no more. */
  attach<E extends InspectedExecution>(execution: E): E;
  /** Before each run but the first: gives it a token of its own. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

/** Serves the end point. @throws {ServingError} If the address can't be used, or may not without a token. */
export async function startServing(options: ServingOptions): Promise<Serving> {
  const address = serveAddress(options.address ?? "");
  const token = options.operator?.token;
  const exposed = exposure(address, token);
  if (exposed !== undefined) throw new ServingError(exposed);
  if (token !== undefined && !isOperatorToken(token)) {
    throw new ServingError(`OUTRIDER_SERVE_TOKEN must be ${TOKEN_FORM}`);
  }
  const serving = new ServingAtWork(options, address);
  await serving.listen();
  return serving;
}

class ServingAtWork implements Serving {
  token: string = randomHex(TOKEN_BYTES);
  readonly #options: ServingOptions;
  readonly #address: ServeAddress;
  readonly #opened: Opened = new Opened({ most: HTTP_LIMITS.open, roomSize: ROOM_SIZE });
  #redactor: Redactor;
  #served: Served | undefined;
  #run: HttpRun | undefined;
  readonly #beforeNext: (() => void)[] = [];

  constructor(options: ServingOptions, address: ServeAddress) {
    this.#options = options;
    this.#address = address;
    this.#redactor = this.#redactorNow();
  }

  get redactor(): Redactor {
    return this.#redactor;
  }

  get url(): string {
    return this.#served!.url;
  }

  async listen(): Promise<void> {
    const { runtime, version, executor = "local", gateway, conditions, unable, state, timetable, note } =
      this.#options;
    const { hosts = [], token: operator } = this.#options.operator ?? {};
    const address = this.#address;
    const reachable = !("path" in address) && !isLoopback(address.hostname);
    const app = httpApp({
      runtime: `${runtime.name} ${runtime.version}`,
      version,
      executor,
      startedAt: this.#options.clock.now(),
      page: pageDocument,
      opened: this.#opened,
      anyAddress: reachable,
      hosts,
      run: () => this.#run,
      beforeNext: (listener) => void this.#beforeNext.push(listener),
      tokens: () => operator === undefined ? [this.token] : [this.token, operator],
      redact: (text) => this.#redactor.told(text),
      onDefect: (error) =>
        note?.(`The end point failed at a request: ${error instanceof Error ? error.stack : error}`),
      ...(gateway !== undefined && { gateway }),
      ...(conditions !== undefined && { conditions }),
      ...(unable !== undefined && { unable }),
      ...(state !== undefined && { state }),
      ...(timetable !== undefined && { timetable }),
    });
    const fetch = (request: Request) => app.fetch(request);
    this.#served = await runtime.serve({ fetch, ...address });
    await this.#tell();
  }

  environment(): Readonly<Record<string, string>> {
    return endPointVariables(this.url, this.token);
  }

  journal(journal: Journal): Journal {
    return redactingJournal(journal, this.#redactor);
  }

  attach<E extends InspectedExecution>(execution: E): E {
    for (const listener of this.#beforeNext) listener();
    const [before, view] = [this.#run, viewOf(execution, this.#options.runtime)];
    this.#run = view;
    execution.begun.catch((error) => {
      // It was read, and is run when it is due: until then there is no more to show than before.
      if (error instanceof NotDue && this.#run === view) this.#run = before;
    });
    execution.note("info", `Serving status, store, events and logs at ${this.url}`);
    return execution;
  }

  async renew(): Promise<void> {
    this.token = randomHex(TOKEN_BYTES);
    this.#redactor = this.#redactorNow();
    await this.#tell();
  }

  #redactorNow(): Redactor {
    return this.#options.redactor.fork([this.token]);
  }

  async close(): Promise<void> {
    // Who follows is told the end, which comes with the end of the run.
    const followed = this.#opened.count > 0;
    await this.#opened.idle(FAREWELL_MS);
    // An answer that is broken off loses what its reader has not read yet, so the last bytes get time to leave.
    if (followed) await sleep(this.#options.clock, LEAVING_MS);
    await this.#served?.close();
    await this.#untell();
  }

  /** Tells those who look for it by the file; workers and what they start have it from `environment`. */
  async #tell(): Promise<void> {
    const { runtime, stateDir } = this.#options;
    if (URL.canParse(this.url) && !this.url.startsWith("unix:")) {
      askDirectly(runtime, new URL(this.url).hostname);
    }
    const file = this.#file();
    if (file === undefined) return;
    const content: ServingFile = { url: this.url, token: this.token, pid: runtime.pid };
    try {
      await runtime.makeFolder(stateDir!);
      await runtime.writeText(file, `${JSON.stringify(content)}\n`, 0o600);
    } catch (error) {
      // A disk that is full, say: the run and the end point go on.
      const why = messageOf(error);
      this.#options.note?.(
        `${file} can't be written (${why}): commands find this end point by --url ${this.url} alone`,
      );
    }
  }

  /** Removes the file, unless it has become another process's. */
  async #untell(): Promise<void> {
    const file = this.#file();
    if (file === undefined) return;
    const { runtime } = this.#options;
    try {
      const { pid } = JSON.parse(await runtime.readText(file)) as Partial<ServingFile>;
      if (pid === runtime.pid) await runtime.remove(file);
    } catch {
      // There is none, or it is not ours.
    }
  }

  #file(): string | undefined {
    const { stateDir } = this.#options;
    return stateDir === undefined ? undefined : `${stateDir.replace(/(?<=.)[/\\]+$/, "")}/http.json`;
  }
}

/** The run as the end point sees it. */
export function viewOf(execution: InspectedExecution, runtime: Pick<Runtime, "openFile">): HttpRun {
  let over = false;
  const end = () => {
    over = true;
  };
  const whenOver = Promise.resolve(execution).then(end, end);
  return {
    run: execution.run,
    store: execution.store,
    events: execution.events,
    journal: execution.journal,
    files: {
      list: () => execution.files.list(),
      open: async (sha256) => await runtime.openFile(await execution.files.stored(sha256), "read"),
    },
    get plan() {
      return execution.plan;
    },
    get over() {
      return over;
    },
    whenOver,
    snapshot: (limit) => execution.snapshot(limit),
    standings: (offset, limit) => execution.standings(offset, limit),
    resultJson: () => execution.resultJson(),
    cancel: (because) => execution.cancel(because),
  };
}
