/**
 * Owns what the gateway's paths and queries may say: ids, whole numbers, words.
 * Must not know which route asks.
 * Invariant: what is known of a query is taken or refused; what is not is passed over, so that either end may be the older.
 */
import * as v from "valibot";
import { problemsIn } from "../base/web/body.ts";
import { Refuse } from "../base/web/refuse.ts";
import { type Parameter, TEXT } from "../base/web/route.ts";
import { ExecutorId, GROUP, Id } from "../protocol/words.ts";

/** Most groups that an executor may ask for at once. */
const MAX_GROUPS = 16;

/** An id. @param what What it is the id of, for the message. @throws {Refuse} 422 if it can't be one. */
export function checkedId(what: string, value: string): string {
  const result = v.safeParse(what === "executor" ? ExecutorId : Id, value);
  if (result.success) return result.output;
  const shown = JSON.stringify(value.slice(0, 200));
  throw new Refuse(422, "ID", {
    message: `The ${what} can't be ${shown}: ${problemsIn(result.issues, "it")}`,
  });
}

function idOf(what: string): Parameter<string> {
  return { schema: Id, read: ([text]) => checkedId(what, text) };
}

/** Parameters of paths, each under the name that it has there. */
export const EXECUTOR = { executor: idOf("executor") } as const;
export const EXPERIMENT = { experiment: idOf("experiment") } as const;
export const FLAG = { ...EXPERIMENT, name: idOf("name") } as const;
export const HANDOUT = { handout: idOf("hand-out") } as const;
export const RUN = { run: idOf("run") } as const;
export const TOKEN = { name: idOf("name") } as const;

/** Any text, cut at `most` characters. */
export function words(description: string, most: number = Infinity): Parameter<string> {
  return { description, schema: TEXT, read: ([text]) => text.slice(0, most) };
}

/** A whole number from 0. */
export function numberOf(description: string): Parameter<number> {
  return {
    description,
    schema: TEXT,
    read: ([text], name) => {
      if (/^\d{1,15}$/.test(text)) return Number(text);
      throw new Refuse(400, "QUERY", {
        message: `The query has ${name}=${text.slice(0, 50)}: write a whole number from 0`,
      });
    },
  };
}

/** Whether one of the words stands there. */
export function isOneOf(description: string, yes: readonly string[]): Parameter<boolean> {
  return { description, schema: TEXT, read: ([text]) => yes.includes(text) };
}

/** One of the words, all of which are told to who writes another. */
export function oneOf<Word extends string>(description: string, all: readonly Word[]): Parameter<Word> {
  return {
    description: `${description}: ${all.join(", ")}`,
    schema: TEXT,
    read: ([text], name) => {
      const word = all.find((each) => each === text);
      if (word !== undefined) return word;
      throw new Refuse(400, "QUERY", {
        message: `The query has ${name}=${text.slice(0, 50)}: there are ${all.join(", ")}`,
      });
    },
  };
}

/** Whom a bundle is for. */
export const TO: Parameter<string> = {
  description: "An executor's id, group:NAME, or group:all",
  schema: TEXT,
  missing: nobody,
  read: ([text]) => {
    if (text === "") throw nobody();
    checkedId("target", text.startsWith(GROUP) ? text.slice(GROUP.length) : text);
    return text;
  },
};

function nobody(): Refuse {
  return new Refuse(400, "TO", {
    message: "It is not said whom the bundle is for: add ?to=EXECUTOR or ?to=group:NAME",
  });
}

/** The groups that an executor says it is in. */
export const GROUPS: Parameter<readonly string[]> = {
  description: `A group that the executor is in; may be given up to ${MAX_GROUPS} times`,
  schema: TEXT,
  read: (texts) => texts.slice(0, MAX_GROUPS).map((group) => checkedId("group", group)),
};
