/**
 * Owns the agent's configuration: how the variables come together, and what contradicts itself.
 * Must not know what any of it is used for, nor read files itself.
 * Invariant: either a whole configuration or every problem at once; a secret is in no message. Nobody reads a variable again.
 */
import { concealedAddress } from "../base/concealed.ts";
import { messageOf } from "../base/message.ts";
import { checkToken, tokenIn } from "../protocol/token.ts";
import type { Dialect } from "../uplink/dialects/dialect.ts";
import { findIn, type Found, type FoundVariable } from "./found.ts";
import { isServeAddress, serveAddress } from "./serve_address.ts";
import { exposure, secretsIn } from "./serving.ts";
import type { Settings } from "./variables.ts";

/** How the agent is set up: what the variables say, and what follows from it. Times in milliseconds. */
export interface Config extends Omit<Settings, "address" | "token" | "tokenFile"> {
  readonly gateway: GatewayConfig | undefined;
  /** What must never appear in what is shown, logged or sent. */
  readonly secrets: readonly string[];
}

/** Which gateway, and how it is spoken to. */
export interface GatewayConfig {
  readonly dialect: Dialect;
  readonly url: string;
  readonly token: string | undefined;
  /** Where the token was read, and may be replaced. */
  readonly tokenFile?: string;
  /** What the dialect's own variables say, by name. */
  readonly settings: Readonly<Record<string, unknown>>;
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

/** Reads the configuration from the environment. An empty variable counts as one that is not set. */
export async function readConfig(port: ConfigPort): Promise<ConfigRead> {
  const env = (name: string) => port.env(name);
  const found = findIn(env);
  const all = [...Object.values(found.settings), ...found.added];
  const { token, problem } = await tokenOf(found, port);
  const problems = [
    ...all.flatMap(problemsWith),
    ...problem === undefined ? [] : [problem],
    ...await untrusted(found, port),
    ...contradictions(found),
  ];
  const settings = all.map(settingOf);
  if (problems.length > 0) return { problems, settings };
  const secrets = [
    ...secretsIn(env),
    ...token === undefined ? [] : [token],
    ...found.added.flatMap(({ variable, text }) => variable.secret && text !== undefined ? [text] : []),
  ];
  return { config: configOf(found, { token, secrets }), problems, settings };
}

function problemsWith({ variable, from, text = "", problems }: FoundVariable): string[] {
  // Whoever writes a value where a name is asked for should not find it in a log.
  const received = variable.secret || variable.name === "OUTRIDER_SECRETS"
    ? `${text.length} characters`
    : JSON.stringify(shownOf(text).slice(0, 100));
  return problems.map((message) => `${from}: ${message}; received ${received}`);
}

function contradictions({ settings, dialect, chosenBy }: Found): string[] {
  const { address, executor, workers, maxWorkers, serve, serveToken } = settings;
  const problems: string[] = [];
  if (serve.text !== undefined && serve.text !== "off" && isServeAddress(serve.text)) {
    const exposed = exposure(serveAddress(serve.text), serveToken.text);
    if (exposed !== undefined) problems.push(`${serve.from}: ${exposed}`);
  }
  if (chosenBy !== undefined && address.from !== chosenBy) {
    problems.push(`${address.from}: ${chosenBy} is set too: set the one whose gateway is meant`);
  }
  if (address.text !== undefined && executor.text === undefined) {
    const own = chosenBy === undefined
      ? undefined
      : dialect?.variables.find(({ standsFor }) => standsFor === executor.variable.name);
    problems.push(
      `${own?.name ?? executor.variable.name}: Missing: with a gateway, say who this executor is`,
    );
  }
  if (maxWorkers.text !== undefined && Number(workers.value) > Number(maxWorkers.value)) {
    problems.push(
      `${workers.from}: ${workers.value} is more than ${maxWorkers.from} ${maxWorkers.value}: lower one or raise the other`,
    );
  }
  return problems;
}

/** The token, or what is wrong with it. */
async function tokenOf(
  { settings }: Found,
  port: ConfigPort,
): Promise<{ readonly token?: string; readonly problem?: string }> {
  const { token: { from, text }, tokenFile: { from: file, text: path } } = settings;
  if (path !== undefined && text !== undefined) {
    return { problem: `${from}: ${file} is set too: keep one of them` };
  }
  try {
    if (path !== undefined) return { token: tokenIn(await port.readText(path)) };
    // Not trimmed: a line break in it is told rather than taken away.
    return text === undefined ? {} : { token: checkToken(port.env(from)!) };
  } catch (error) {
    const isUnread = path !== undefined &&
      (error as { code?: unknown } | undefined)?.code !== "OUTRIDER_TOKEN";
    const what = isUnread ? `Can't read ${JSON.stringify(path)}: ` : "";
    return { problem: `${path === undefined ? from : file}: ${what}${messageOf(error)}` };
  }
}

/** What is wrong with the keys that are trusted. */
async function untrusted(
  { settings: { trust: { from, text } } }: Found,
  port: ConfigPort,
): Promise<string[]> {
  if (text === undefined) return [];
  try {
    // Few agents have keys.
    const { trustedKeys } = await import("../trust/keys.ts");
    await trustedKeys(text, (path) => port.readText(path));
    return [];
  } catch (error) {
    return [`${from}: ${messageOf(error)}`];
  }
}

function configOf(
  { settings, dialect, added }: Found,
  { token, secrets }: { readonly token: string | undefined; readonly secrets: readonly string[] },
): Config {
  const { address: url, token: _, tokenFile, ...rest } = valuesOf(settings);
  const set = added.filter(({ value }) => value !== undefined);
  return {
    ...rest,
    secrets,
    gateway: url === undefined || dialect === undefined ? undefined : {
      dialect,
      url,
      token,
      ...(tokenFile !== undefined && { tokenFile }),
      settings: Object.fromEntries(set.map(({ variable, value }) => [variable.name, value])),
    },
  };
}

/** The table gives each variable the schema of its setting. */
function valuesOf(found: Found["settings"]): Settings {
  const values = Object.entries(found).map(([field, { value }]) => [field, value]);
  return Object.fromEntries(values) as Settings;
}

/** An address may hold a password, though it should not; also one that can't be read as an address. */
function shownOf(value: string): string {
  return /:\/\/|@/.test(value) ? concealedAddress(value) : value;
}

function settingOf({ variable, from, text }: FoundVariable): Setting {
  const { name, secret, fallback, fallbackWords } = variable;
  if (text === undefined) {
    return { name, value: fallbackWords ?? (fallback || undefined), origin: "default" };
  }
  const value = secret ? `hidden, ${text.length} characters` : shownOf(text);
  return { name, value, origin: from === name ? "environment" : from };
}
