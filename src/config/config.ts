/**
 * Owns the agent's configuration: every environment variable with its unit, range and default, and how they come together.
 * Must not know what any of it is used for, nor read files itself.
 * Invariant: either a whole configuration or every problem at once; a secret is in no message.
 */
import { HEARTBEAT_MS, KILL_GRACE_MS, LOG_BYTES, LOG_LEVEL, STOP_GRACE_MS } from "../defaults.ts";
import { messageOf } from "../base/message.ts";
import { concealedAddress } from "../base/concealed.ts";
import {
  aboutVariable,
  type KeepAliveAction,
  readVariables,
  type VariableName,
  variableNames,
  type VariableValues,
} from "./schema.ts";
import type { Level } from "../model/record.ts";
import { placeOf } from "./place.ts";
import { exposure, isPlace } from "./serving.ts";
import { checkToken, tokenIn } from "../protocol/token.ts";

/** How the agent is set up. Times in milliseconds. */
export interface Config {
  readonly executor: string | undefined;
  readonly experiment: string | undefined;
  readonly groups: readonly string[];
  readonly gateway:
    | {
      readonly url: string;
      readonly dialect: "outrider" | "netunicorn";
      readonly token: string | undefined;
      /** Where the token was read, and may be replaced. */
      readonly tokenFile?: string;
    }
    | undefined;
  /** Path of a pipeline or bundle; `undefined`: the default one, if it is there. */
  readonly pipeline: string | undefined;
  readonly stateDir: string | undefined;
  readonly heartbeatMs: number;
  readonly workers: number | undefined;
  readonly maxWorkers: number | undefined;
  readonly workerMemoryMiB: number | undefined;
  /** `ms` is `Infinity` where the gateway is waited for without end. */
  readonly keepAlive: { readonly ms: number; readonly then: KeepAliveAction };
  readonly spoolBytes: number;
  readonly logLevel: Level;
  /** Sends nothing but what is unavoidable until the run is over. */
  readonly quiet: boolean;
  readonly stopGraceMs: number;
  readonly killGraceMs: number;
  /** Where the end point is; empty: any free port of 127.0.0.1; `undefined`: there is none. */
  readonly serve: string | undefined;
}

/** What reading the configuration asks of the outside. */
export interface ConfigPort {
  env(name: string): string | undefined;
  /** The text of a file. */
  readText(path: string): Promise<string>;
}

/** A variable with the value that counts, as text. */
export interface Setting {
  readonly name: string;
  /** `undefined`: it has none. A secret is not shown. */
  readonly value: string | undefined;
  /** `environment`, `default`, or the variable or file that it comes from. */
  readonly origin: string;
}

/** What came of reading. */
export interface ConfigRead {
  /** There only if nothing is wrong. */
  readonly config?: Config;
  /** In words, each starting with the variable's name. */
  readonly problems: readonly string[];
  /** Every variable, in the order of the table. */
  readonly settings: readonly Setting[];
}

/** The one of netUnicorn's that has no unit. */
const SECONDS = "NETUNICORN_EXECUTOR_HEARTBEAT_SECONDS";

/** netUnicorn's variables, by ours that they stand for. */
const NETUNICORN: Readonly<Partial<Record<VariableName, string>>> = {
  OUTRIDER_GATEWAY: "NETUNICORN_GATEWAY_ENDPOINT",
  OUTRIDER_EXECUTOR_ID: "NETUNICORN_EXECUTOR_ID",
  OUTRIDER_EXPERIMENT_ID: "NETUNICORN_EXPERIMENT_ID",
  OUTRIDER_HEARTBEAT: SECONDS,
};

/** Reads the configuration from the environment. An empty variable counts as one that is not set. */
export async function readConfig(port: ConfigPort): Promise<ConfigRead> {
  const found = new Map<string, { readonly value: string; readonly origin: string }>();
  const foreign = port.env(NETUNICORN.OUTRIDER_GATEWAY!)?.trim() ?? "";
  for (const name of variableNames()) {
    const own = port.env(name)?.trim() ?? "";
    const other = foreign === "" ? undefined : NETUNICORN[name];
    const theirs = other === undefined ? "" : port.env(other)?.trim() ?? "";
    if (own !== "") found.set(name, { value: own, origin: "environment" });
    else if (theirs !== "") found.set(name, { value: theirs, origin: other! });
  }
  const texts = [...found].map((
    [name, { value, origin }],
  ) => [name, origin === SECONDS ? `${value}s` : value]);
  const checked = readVariables(Object.fromEntries(texts));
  const problems = checked.problems.map(({ name, message }) => {
    const { value, origin } = found.get(name)!;
    const from = origin === "environment" ? name : origin;
    // Whoever writes a value where a name is asked for should not find it in a log.
    const received = aboutVariable(name).secret || name === "OUTRIDER_SECRETS"
      ? `${value.length} characters`
      : JSON.stringify(shownOf(value).slice(0, 100));
    const form = origin === SECONDS
      ? "Write a number of seconds from 1 to 3600, without a unit, such as 30"
      : message;
    return `${from}: ${form}; received ${received}`;
  });
  const token = await tokenOf(found, port, problems);
  const exposed = exposureOf(found);
  if (exposed !== undefined) problems.push(exposed);
  problems.push(...contradictions(found, { values: checked.values ?? {}, foreign: foreign !== "", port }));
  const settings = settingsOf(found);
  if (checked.values === undefined || problems.length > 0) return { problems, settings };
  return { config: configOf(checked.values, { token, foreign: foreign !== "" }), problems, settings };
}

function contradictions(
  found: ReadonlyMap<string, unknown>,
  { values, foreign, port }: {
    readonly values: VariableValues;
    readonly foreign: boolean;
    readonly port: ConfigPort;
  },
): string[] {
  const { OUTRIDER_WORKERS: workers, OUTRIDER_MAX_WORKERS: maxWorkers } = values;
  const problems: string[] = [];
  if (foreign && (port.env("OUTRIDER_GATEWAY")?.trim() ?? "") !== "") {
    problems.push(
      `OUTRIDER_GATEWAY: ${NETUNICORN.OUTRIDER_GATEWAY} is set too: set the one whose gateway is meant`,
    );
  }
  if (found.has("OUTRIDER_GATEWAY") && !found.has("OUTRIDER_EXECUTOR_ID")) {
    problems.push(
      `${
        foreign ? NETUNICORN.OUTRIDER_EXECUTOR_ID : "OUTRIDER_EXECUTOR_ID"
      }: Missing: with a gateway, say who this executor is`,
    );
  }
  if (workers !== undefined && maxWorkers !== undefined && workers > maxWorkers) {
    problems.push(
      `OUTRIDER_WORKERS: ${workers} is more than OUTRIDER_MAX_WORKERS ${maxWorkers}: lower one or raise the other`,
    );
  }
  return problems;
}

/** An address that others can reach needs a token; said also where something else is wrong. */
function exposureOf(found: ReadonlyMap<string, { readonly value: string }>): string | undefined {
  const address = found.get("OUTRIDER_SERVE")?.value ?? "off";
  if (address === "off" || !isPlace(address)) return undefined;
  const exposed = exposure(placeOf(address), found.get("OUTRIDER_SERVE_TOKEN")?.value ?? "");
  return exposed && `OUTRIDER_SERVE: ${exposed}`;
}

/** The token; notes what is wrong with it. */
async function tokenOf(
  found: ReadonlyMap<string, { readonly value: string }>,
  port: ConfigPort,
  problems: string[],
): Promise<string | undefined> {
  const path = found.get("OUTRIDER_TOKEN_FILE")?.value;
  // Not trimmed: a line break in it is told rather than taken away.
  const given = found.has("OUTRIDER_TOKEN") ? port.env("OUTRIDER_TOKEN") : undefined;
  if (path !== undefined && given !== undefined) {
    problems.push("OUTRIDER_TOKEN: OUTRIDER_TOKEN_FILE is set too: keep one of them");
    return undefined;
  }
  const name = path === undefined ? "OUTRIDER_TOKEN" : "OUTRIDER_TOKEN_FILE";
  try {
    if (path !== undefined) return tokenIn(await port.readText(path));
    return given === undefined ? undefined : checkToken(given);
  } catch (error) {
    const message = messageOf(error);
    problems.push(
      `${name}: ${
        path !== undefined && !isTokenError(error) ? `Can't read ${JSON.stringify(path)}: ` : ""
      }${message}`,
    );
    return undefined;
  }
}

function isTokenError(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === "OUTRIDER_TOKEN";
}

function configOf(
  values: VariableValues,
  { token, foreign }: { readonly token: string | undefined; readonly foreign: boolean },
): Config {
  const { OUTRIDER_GATEWAY: url, OUTRIDER_TOKEN_FILE: tokenFile } = values;
  return {
    executor: values.OUTRIDER_EXECUTOR_ID,
    experiment: values.OUTRIDER_EXPERIMENT_ID,
    groups: values.OUTRIDER_GROUPS ?? [],
    gateway: url === undefined ? undefined : {
      url,
      dialect: foreign ? "netunicorn" : "outrider",
      token,
      ...(tokenFile !== undefined && { tokenFile }),
    },
    pipeline: values.OUTRIDER_PIPELINE,
    stateDir: values.OUTRIDER_STATE_DIR,
    heartbeatMs: values.OUTRIDER_HEARTBEAT ?? HEARTBEAT_MS,
    workers: values.OUTRIDER_WORKERS,
    maxWorkers: values.OUTRIDER_MAX_WORKERS,
    workerMemoryMiB: values.OUTRIDER_WORKER_MEMORY,
    keepAlive: values.OUTRIDER_KEEP_ALIVE ?? { ms: Infinity, then: "finish" },
    spoolBytes: values.OUTRIDER_SPOOL_BYTES ?? LOG_BYTES,
    logLevel: values.OUTRIDER_LOG_LEVEL ?? LOG_LEVEL,
    quiet: values.OUTRIDER_QUIET ?? false,
    stopGraceMs: values.OUTRIDER_STOP_GRACE ?? STOP_GRACE_MS,
    killGraceMs: values.OUTRIDER_KILL_GRACE ?? KILL_GRACE_MS,
    serve: values.OUTRIDER_SERVE === "off" ? undefined : values.OUTRIDER_SERVE ?? "",
  };
}

/** An address may hold a password, though it should not; also one that can't be read as an address. */
function shownOf(value: string): string {
  return /:\/\/|@/.test(value) ? concealedAddress(value) : value;
}

function settingsOf(
  found: ReadonlyMap<string, { readonly value: string; readonly origin: string }>,
): Setting[] {
  return variableNames().map((name) => {
    const { fallback, secret } = aboutVariable(name);
    const set = found.get(name);
    if (set === undefined) return { name, value: fallback, origin: "default" };
    const shown = shownOf(set.value);
    return { name, value: secret ? `hidden, ${set.value.length} characters` : shown, origin: set.origin };
  });
}

/** The table of all variables in Markdown, for docs/configuration.md, with its columns aligned. */
export function configTable(): string {
  const rows = variableNames().map((name) => {
    const { about, form, fallback } = aboutVariable(name);
    return [`\`${name}\``, about, form, fallback ?? "none"];
  });
  const head = ["variable", "what it says", "form", "default"];
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
