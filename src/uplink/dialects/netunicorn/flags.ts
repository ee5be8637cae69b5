/**
 * Owns flags as netUnicorn's gateway keeps them: a text and a number of 32 bits under each name.
 * Must not know when a change is tried again.
 * Invariant: what the gateway can't hold is refused here, since it answers with 500 or 404, which would be tried again
 * in vain; and a name never reaches another flag's path.
 */
import type { CallOptions, FlagLine } from "../../gateway.ts";
import { FlagError, GatewayAnswerError, StoppedError, UplinkError } from "../../errors.ts";
import type { FlagOperation, SharedFlag } from "../../../protocol/messages.ts";
import type { NetunicornLine } from "./client.ts";
import { sleep } from "../../../base/wait.ts";
import { jsonIn, type WireAnswer } from "../../http/answer.ts";
import type { Call } from "../../http/wire.ts";

/** PostgreSQL's INT, in which the numbers are. */
const MIN_NUMBER = -(2 ** 31);
const MAX_NUMBER = 2 ** 31 - 1;

/** Time between two attempts to read what was counted, milliseconds. */
const READ_AGAIN_MS = 500;

interface FlagValues {
  readonly text_value?: string | null;
  readonly int_value?: number | null;
}

/** Both that a flag of netUnicorn's holds, where both say something. */
interface TextAndNumber {
  readonly text: string;
  readonly number: number;
}

interface Place {
  readonly name: string;
  readonly path: string;
  readonly limits: CallOptions;
}

/** The flags of one experiment. netUnicorn has no versions: all are 1. */
export function netunicornFlags(line: NetunicornLine, experiment: string): FlagLine {
  const place = (name: string, limits: CallOptions): Place => ({
    name,
    path: `/api/v1/experiment/${segment("Experiment", experiment)}/flag/${segment("Flag", name)}`,
    limits,
  });
  return {
    repeatable: false,
    waits: false,
    async read(name, limits) {
      const values = await valuesAt(line, place(name, limits));
      return values && flagOf(name, valueIn(values));
    },
    async change(name, operation, limits) {
      const at = place(name, limits);
      checkOperation(name, operation);
      if (operation.op === "set") {
        await line.post(at.path, valuesOf(name, operation.value), limits);
        return { done: true };
      }
      await line.post(`${at.path}/${operation.op}`, undefined, limits);
      return { flag: await counted(line, at), done: true };
    },
  };
}

/** A part of a path. A slash in it would lead to another path, however it is written; dots are taken out by `fetch`. */
function segment(what: string, name: string): string {
  if (name === "" || name === "." || name === ".." || !isText(name) || name.includes("/")) {
    throw new FlagError(
      `${what} ${
        JSON.stringify(name)
      } can't be asked for: netUnicorn's gateway takes no name that is empty, . or .., or has a slash or a NUL in it`,
    );
  }
  return encodeURIComponent(name);
}

/** Whether PostgreSQL can hold it. */
function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

function checkOperation(name: string, operation: FlagOperation): void {
  if (operation.op === "compare" || (operation.op === "set" && operation.ifVersion !== undefined)) {
    throw new FlagError(
      `Flag ${name} can't be set on a condition: netUnicorn's gateway has none, use increment and waitFor`,
    );
  }
  if (operation.op !== "set" && operation.by !== 1) {
    throw new FlagError(
      `Flag ${name} can't be changed by ${operation.by}: netUnicorn's gateway counts by one`,
    );
  }
}

/** A text, a number, or both as `{text, number}`. */
function valuesOf(name: string, value: unknown): FlagValues {
  const both = typeof value === "object" && value !== null &&
    Object.keys(value).sort().join() === "number,text";
  const { text, number } = (both ? value : {}) as Record<keyof TextAndNumber, unknown>;
  if (typeof text === "string" && typeof number === "number" && canHold(text) && canHold(number)) {
    return { text_value: text, int_value: number };
  }
  if (!both && canHold(value)) {
    return typeof value === "string" ? { text_value: value } : { int_value: Number(value) };
  }
  throw new FlagError(
    `Flag ${name} can't hold ${
      JSON.stringify(value)
    }: netUnicorn's gateway takes strings and whole numbers of 32 bits, or both as {text, number}`,
  );
}

function canHold(value: unknown): boolean {
  if (typeof value === "string") return isText(value);
  return Number.isInteger(value) && Number(value) >= MIN_NUMBER && Number(value) <= MAX_NUMBER;
}

/** The text or the number; both where there is a text and the number is another than that of a flag nobody has counted. */
function valueIn({ text_value: text, int_value: number }: FlagValues): string | number | TextAndNumber {
  const counted = number ?? 0;
  if (typeof text !== "string") return counted;
  return counted === 0 ? text : { text, number: counted };
}

async function valuesAt(
  line: NetunicornLine,
  { path, limits }: Place,
): Promise<FlagValues | undefined> {
  const { timeoutMs, signal } = limits;
  const call: Call = { method: "GET", path, timeoutMs, ...(signal ? { signal } : {}) };
  const answer = await line.ask(call, [200, 404]);
  const values = valuesIn(answer, line.name(call));
  if (answer.status === 200) return values ?? undefined;
  // A flag that is not there is answered with `null`, an address that is not there with `{"detail": …}`.
  if (values === null) return undefined;
  throw line.refused(call, answer);
}

function valuesIn(answer: WireAnswer, call: string): FlagValues | null {
  const told = jsonIn(answer);
  if (told === undefined) throw new GatewayAnswerError(`${call} was answered with something that is no JSON`);
  if (answer.status !== 200 || isFlag(told)) return told as FlagValues | null;
  throw new GatewayAnswerError(
    `${call} was answered with something that is no flag of netUnicorn's: check that NETUNICORN_GATEWAY_ENDPOINT is the address of a gateway`,
  );
}

/** Whether an answer is a flag, or says that there is none. */
function isFlag(told: unknown): boolean {
  if (told === null) return true;
  const { text_value: text = null, int_value: number = null } = told as FlagValues;
  return (typeof text === "string" || text === null) && (Number.isInteger(number) || number === null) &&
    (text !== null || number !== null);
}

function flagOf(name: string, value: unknown): SharedFlag {
  return { name, value, version: 1 };
}

/** The number after it was counted, also under a text. Counting is over, so that failures may only lead to more reading. */
async function counted(line: NetunicornLine, at: Place): Promise<SharedFlag> {
  const { name, limits: { signal, timeoutMs } } = at;
  const until = line.clock.monotonic() + timeoutMs;
  for (;;) {
    try {
      return flagOf(name, (await valuesAt(line, at))?.int_value ?? 0);
    } catch (error) {
      if (error instanceof StoppedError || !(error instanceof UplinkError)) throw error;
      if (line.clock.monotonic() + READ_AGAIN_MS >= until) {
        throw new FlagError(
          `Flag ${name} was counted, but can't be read: don't count again, read it (${error.message})`,
          { cause: error },
        );
      }
    }
    await sleep(line.clock, READ_AGAIN_MS, signal);
  }
}
