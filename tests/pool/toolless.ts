/**
 * Owns an outside without programs: what a kind of task starts is answered by the test, and its files are texts in memory.
 * Must not know what is tested.
 * Invariant: nothing ends but by an answer, by SIGKILL, or by the test's own hand.
 */
import type { RunnerPort } from "../../src/pool/kinds/runner.ts";
import type { GroupOptions, Runtime } from "../../src/runtime/port.ts";
import { HandClock } from "../store/hand_clock.ts";
import { FakeGroup } from "./processless.ts";

/** What a program prints and how it ends. */
export interface Answer {
  readonly out?: string;
  readonly err?: string;
  readonly code?: number;
  readonly error?: Error;
}

/** What there is outside. */
export interface Outside {
  readonly variables?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Names in folders. */
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  /** What a program answers; nothing for one that goes on. */
  readonly answer?: (command: readonly string[], options: GroupOptions) => Answer | undefined;
}

/** All that was asked of the outside. */
export class Toolless {
  readonly clock: HandClock = new HandClock();
  readonly groups: FakeGroup[] = [];
  readonly notes: string[] = [];
  readonly removed: string[] = [];
  readonly made: string[] = [];
  readonly files: Map<string, string>;
  /** How much of each file was to be read at most. */
  readonly limits: Set<number | undefined> = new Set();
  readonly port: RunnerPort;

  constructor(outside: Outside = {}) {
    this.files = new Map(Object.entries(outside.files ?? {}));
    this.port = {
      clock: this.clock,
      run: "r",
      note: (text, shown) => void this.notes.push(`${shown ? "shown" : "noted"} ${text}`),
      environment: () => ({ MINE: "1" }),
      runtime: this.#runtime(outside),
    };
  }

  /** The programs that were started, as lines. */
  get commands(): string[] {
    return this.groups.map(({ options: { command } }) => command.join(" "));
  }

  get last(): FakeGroup {
    return this.groups.at(-1)!;
  }

  /** From now on the outside is another in this. */
  differs(parts: Partial<Runtime>): void {
    Object.assign(this.port.runtime, parts);
  }

  #runtime({ variables = {}, folders = {}, answer = () => ({}) }: Outside): Runtime {
    const runtime: Partial<Runtime> = {
      name: "Test",
      version: "1.2",
      env: (name) => variables[name],
      cwd: () => "/here",
      filePath: (url) => decodeURIComponent(url.replace(/^file:\/\//, "")),
      fileUrl: (path) => new URL(path, "file:///here/").href,
      readText: (path, most) => {
        this.limits.add(most);
        const text = this.files.get(path);
        return text === undefined ? Promise.reject(new Error(`no ${path}`)) : Promise.resolve(text);
      },
      writeText: (path, text) => {
        this.files.set(path, text);
        return Promise.resolve();
      },
      list: (folder) => Promise.resolve([...folders[folder] ?? []]),
      makeFolder: (path, mode) => {
        this.made.push(`${path} ${mode?.toString(8)}`);
        return Promise.resolve();
      },
      makeTempFolder: () => Promise.resolve(`/tmp/${this.made.push("temp")}`),
      remove: (path) => {
        this.removed.push(path);
        return Promise.resolve();
      },
      taskProgram: ({ heapMiB }) => ["self", ...(heapMiB === undefined ? [] : [`${heapMiB} MiB`])],
      startGroup: (options) => {
        const group = new FakeGroup(options);
        this.groups.push(group);
        const answered = answer(options.command, options);
        // As with a real one, nothing of it is heard before it is started.
        if (answered !== undefined) queueMicrotask(() => give(group, answered));
        return group;
      },
    };
    return runtime as Runtime;
  }
}

function give(group: FakeGroup, { out = "", err = "", code = 0, error }: Answer): void {
  if (out !== "") group.prints("stdout", out);
  if (err !== "") group.prints("stderr", err);
  group.ends(
    error === undefined ? { code, signal: undefined } : { code: undefined, signal: undefined, error },
  );
}

/** What an interpreter says of itself. */
export function itself(executable: string, version = "3.11.2"): Answer {
  return { out: `${executable}\n${version}\n` };
}

/** Resolves when it is so: what encoders, hashes and modules take is not in a test's hand. */
export async function reached(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !isSo(); turn++) await new Promise((next) => setTimeout(next, 0));
}
