/**
 * Owns how bytes that were handed out become what is to be run, or what is said of those that are no bundle.
 * Must not know who handed them out, nor what is in a bundle.
 * Invariant: what is not UTF-8 is never read as something else, also not when it was kept as a text.
 */
import { looseText, utf8Text } from "../base/utf8.ts";
import { messageOf } from "../base/message.ts";
import { readJson } from "../model/json_text.ts";
import { PipelineError } from "../model/problem.ts";
import type { Source } from "../pipeline/load/load.ts";

/** What is to be run: a file, or the text of what was handed out. */
export type JobSource = string | { readonly text: string };

/** How a text begins that stands for bytes that are none. */
const NO_TEXT = "\uFFFD";

/** The text of what was handed out. One that is none begins as no JSON does, and says why, unless it is a pickle. */
export function handedText(bytes: Uint8Array): string {
  try {
    return utf8Text(bytes);
  } catch (error) {
    const text = looseText(bytes.subarray(0, 2));
    return isPickle(text) ? text : `${NO_TEXT}${messageOf(error)}`;
  }
}

/** What is to be run: a bundle or manifest as an object, or what is wrong with it. */
export function handedOut(text: string): Source | PipelineError {
  const { value, problems } = readJson(text, "");
  if (value !== undefined && problems.length > 0) {
    return new PipelineError(problems, { source: "that was handed out" });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Source;
  const message = `What was handed out is no bundle: ${whatIs(text, problems[0]?.message)}`;
  return new PipelineError([{ place: "", message }]);
}

function whatIs(text: string, problem: string | undefined): string {
  if (isPickle(text)) {
    return "it is a Python pickle, as netUnicorn's client makes of its graphs: run it as a file that OUTRIDER_PIPELINE names, or have netUnicorn's gateway hand it out";
  }
  if (text.startsWith(NO_TEXT)) return text.slice(NO_TEXT.length);
  if (/^\s*</.test(text)) return "it is a web page: check that OUTRIDER_GATEWAY is the address of a gateway";
  return problem ?? "it is JSON, and no object: hand out what outrider bundle makes";
}

/** Its first byte is no text, its second its version. */
function isPickle(text: string): boolean {
  return text.startsWith(NO_TEXT) && text.charCodeAt(1) >= 2 && text.charCodeAt(1) <= 5;
}
