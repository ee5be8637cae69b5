/**
 * Owns the forms in which variables are written: how a text is read, and what is said of one that can't be.
 * Must not know which variable has which form.
 * Invariant: a message says how to write it, and never repeats what was received.
 */
import * as v from "valibot";
import { durationProblem, parseDuration } from "../model/duration.ts";
import { type Level, LEVELS } from "../model/record.ts";
import { Id } from "../protocol/words.ts";
import { isHostName, isOperatorToken, namesOf, TOKEN_FORM } from "./serving.ts";
import { isServeAddress } from "./serve_address.ts";

/** A text of the environment, and what it is read as. */
export type VariableForm<T> = v.GenericSchema<string, T>;

/** What is done when the gateway has been out of reach for too long. */
export interface KeepAlive {
  /** `Infinity` where the gateway is waited for without end. */
  readonly ms: number;
  readonly then: "finish" | "stop" | "cancel";
}

/** Any text. */
export const textForm: VariableForm<string> = v.string();

/** An id as gateways take them. */
export const idForm: VariableForm<string> = v.pipe(
  v.string(),
  v.check((value) => v.is(Id, value), "Write 1 to 128 characters out of A-Z a-z 0-9 _ . : @ -"),
);

/** Names of groups, with commas between. */
export const groupsForm: VariableForm<readonly string[]> = v.pipe(
  v.string(),
  v.transform(namesOf),
  v.check(
    (list) => list.every((each) => v.is(Id, each)),
    "Write names out of A-Z a-z 0-9 _ . : @ -, with commas between",
  ),
  v.maxLength(16, "Name at most 16 groups"),
);

/** The address of a gateway. @param forms The schemes that there may be, such as `https:`, and what is recommended. */
export function addressForm(
  schemes: readonly string[],
  recommended: readonly string[],
): VariableForm<string> {
  const examples = recommended.map((scheme) => `${scheme}//HOST:PORT`).join(" or ");
  return v.pipe(
    v.string(),
    v.check((value) => schemes.includes(schemeOf(value)), `Write it as ${examples}`),
  );
}

/** The scheme of an address, or of the first of several with commas between, such as `https:`; empty if it is none. */
export function schemeOf(address: string): string {
  return (URL.parse(address) ?? URL.parse(address.split(",", 1)[0]!))?.protocol ?? "";
}

/** Least level of log records. */
export const levelForm: VariableForm<Level> = v.pipe(
  v.string(),
  v.picklist(LEVELS, "Write debug, info, warn, error or critical"),
);

/** Whether nothing is sent before the end. */
export const quietForm: VariableForm<boolean> = v.pipe(
  v.string(),
  v.picklist(["until-done", "no"], "Write until-done or no"),
  v.transform((value) => value === "until-done"),
);

/** How long the gateway is waited for, and what then. */
export const keepAliveForm: VariableForm<KeepAlive> = v.pipe(
  v.string(),
  v.check(
    (value) => value === "forever" || keepAliveParts(value) !== undefined,
    "Write forever, or a duration and what to do then: 30m finish, 30m stop or 30m cancel",
  ),
  v.transform((value) => keepAliveParts(value) ?? { ms: Infinity, then: "finish" as const }),
);

function keepAliveParts(value: string): KeepAlive | undefined {
  const match = /^(\S+)(?:\s+(finish|stop|cancel))?$/.exec(value);
  if (match === null || durationProblem(match[1]) !== undefined) return undefined;
  return { ms: parseDuration(match[1]!), then: (match[2] ?? "finish") as KeepAlive["then"] };
}

/** Where the end point is: an address, empty for any free port of this machine; `undefined` if it is off. */
export const serveForm: VariableForm<string | undefined> = v.pipe(
  v.string(),
  v.check(
    (value) => value === "off" || isServeAddress(value),
    "Write HOST:PORT such as 127.0.0.1:8080, unix:/path/to/socket, or off",
  ),
  v.transform((value) => value === "off" ? undefined : value),
);

/** A token of the operator's for the end point. */
export const serveTokenForm: VariableForm<string> = v.pipe(
  v.string(),
  v.check(isOperatorToken, `Write ${TOKEN_FORM}`),
);

/** Names of hosts, with commas between. */
export const hostsForm: VariableForm<readonly string[]> = v.pipe(
  v.string(),
  v.transform(namesOf),
  v.check(
    (names) => names.every(isHostName),
    "Write names of hosts such as device.example, without ports, with commas between",
  ),
);

/** Names of variables, with commas between. */
export const variablesForm: VariableForm<readonly string[]> = v.pipe(
  v.string(),
  v.transform(namesOf),
  v.check(
    (names) => names.every((name) => !/[\s=]/.test(name)),
    "Write names of environment variables, not their values, with commas between",
  ),
);

/** A whole number of a range. */
export function wholeForm(least: number, most: number): VariableForm<number> {
  return v.pipe(
    v.string(),
    v.check(
      (value) => /^\d+$/.test(value) && +value >= least && +value <= most,
      `Write a whole number from ${least} to ${most}`,
    ),
    v.transform(Number),
  );
}

/** A duration of a range, as milliseconds. */
export function durationForm(least: string, most: string): VariableForm<number> {
  const within = (value: string) =>
    durationProblem(value) === undefined && parseDuration(value) >= parseDuration(least) &&
    parseDuration(value) <= parseDuration(most);
  return v.pipe(
    v.string(),
    v.check(within, `Write a duration from ${least} to ${most}, with its unit, such as 30s`),
    v.transform((value) => parseDuration(value)),
  );
}

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A size in bytes. */
export const bytesForm: VariableForm<number> = v.pipe(
  v.string(),
  v.check((value) => {
    const size = bytesOf(value);
    return size >= 65_536 && size <= 1024 ** 4;
  }, "Write a number of bytes from 64KiB to 1024GiB, such as 64MiB"),
  v.transform(bytesOf),
);

function bytesOf(value: string): number {
  const match = /^(\d+)\s*([KMG]iB)?$/.exec(value);
  return match === null ? NaN : Number(match[1]) * UNITS[match[2] ?? ""]!;
}
