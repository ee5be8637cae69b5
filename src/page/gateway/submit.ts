/**
 * Owns handing in a pipeline: a file or a text, for an executor or a group.
 * Must not know how a pipeline is carried out, nor what is in a bundle but its name.
 * Invariant: what can be seen to be none is not sent, and what is wrong is said in words; nothing that was typed is lost.
 */
import { counted } from "../../base/shown.ts";
import { keep, openDialog } from "../dialogs.ts";
import { h } from "../dom.ts";
import { ask } from "./ask.ts";
import type { SubmittedTold } from "./told.ts";

/** Largest file that is read; the gateway's own limit is what counts. Bytes. */
const MOST = 64 * 1024 * 1024;

/** A pipeline as it is sent. */
interface Pipeline {
  readonly text: string;
  readonly name: string | undefined;
}

/** Asks for a pipeline and whom it is for. @param known Whom it may be for, as far as is known. */
export function askPipeline(
  { to: wanted = "", known, done }: {
    readonly to?: string;
    readonly known: readonly string[];
    /** Told when one was handed in. */
    readonly done: () => void;
  },
): void {
  const file = h("input", [], { type: "file", id: "submit-file", accept: ".json,application/json" });
  const text = h("textarea", [], {
    id: "submit-text",
    rows: 5,
    spellcheck: "false",
    placeholder: '{"outrider": 1, …}',
  });
  const to = h("input", [], {
    type: "text",
    id: "submit-to",
    list: "submit-known",
    required: true,
    value: wanted,
    maxlength: 200,
    autocomplete: "off",
  });
  const replace = h("input", [], { type: "checkbox", id: "submit-replace" });
  const failed = h("p", "", { class: "why", role: "alert" });
  const go = h("button", "Submit", { type: "submit", class: "main" });
  const dialog = openDialog("Submit a pipeline", [
    field("A bundle (outrider bundle) or a pipeline in JSON", file),
    field("or as text", text),
    field("For: an executor's id, group:NAME or group:all", to),
    h("datalist", known.map((each) => h("option", [], { value: each })), { id: "submit-known" }),
    h("p", [replace, h("label", "What waits in the same queue leaves it", { for: "submit-replace" })], {
      class: "check",
    }),
    failed,
    h("p", [go, keep("Leave it")], { class: "choice" }),
  ], async () => {
    go.disabled = true;
    failed.textContent = "";
    try {
      const pipeline = await pipelineOf(file.files?.[0], text.value);
      const submitted = await submit(pipeline, { to: to.value.trim(), replace: replace.checked });
      dialog.close();
      done();
      sayDone(pipeline, submitted);
    } catch (error) {
      failed.textContent = (error as Error).message;
      go.disabled = false;
    }
  });
  dialog.classList.add("wide");
}

function field(label: string, input: HTMLElement): HTMLElement {
  return h("p", [h("label", label, { for: input.id }), input]);
}

/** @throws With what is wrong, in words. */
async function pipelineOf(file: File | undefined, typed: string): Promise<Pipeline> {
  if (file !== undefined && typed.trim() !== "") {
    throw new Error("There is a file and a text: leave one of them out.");
  }
  if (file !== undefined && file.size > MOST) {
    throw new Error(`The file has ${file.size} bytes, more than a bundle may have (${MOST}).`);
  }
  const text = file === undefined ? typed : await file.text();
  if (text.trim() === "") throw new Error("There is nothing to submit yet: choose a file, or paste one.");
  const document = objectIn(text, file?.name);
  const head = document["outriderBundle"] === undefined ? document : document["manifest"];
  const name = (head as { readonly name?: unknown } | undefined)?.name;
  return { text, name: typeof name === "string" ? name : undefined };
}

function objectIn(text: string, name: string | undefined): Readonly<Record<string, unknown>> {
  const what = name === undefined ? "The text" : name;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(
      `${what} is no JSON: ${
        (error as Error).message
      }. A pipeline in TypeScript is made a bundle by outrider bundle.`,
    );
  }
  if (typeof value === "object" && value !== null && ("outriderBundle" in value || "outrider" in value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new Error(
    `${what} is JSON, and neither a bundle ("outriderBundle": 1) nor a pipeline ("outrider": 1).`,
  );
}

async function submit(
  { text, name }: Pipeline,
  { to, replace }: { readonly to: string; readonly replace: boolean },
): Promise<SubmittedTold> {
  const query = new URLSearchParams({ to, ...(name !== undefined && { name }) });
  if (replace) query.set("replace", "1");
  const response = await ask(`/v1/bundles?${query}`, {
    method: "POST",
    body: text,
    type: "application/octet-stream",
  });
  return await response.json() as SubmittedTold;
}

function sayDone({ name }: Pipeline, { id, to, before = 0, executors, replaced = [] }: SubmittedTold): void {
  const place = before === 0 ? "It is next" : `It comes after ${counted(before, "other")}`;
  const whom = executors === 0
    ? to.startsWith("group:")
      ? `No executor of ${to} was ever seen here: it waits until one comes.`
      : `No executor ${to} was ever seen here: it waits until it comes.`
    : executors === undefined
    ? undefined
    : `It is for ${counted(executors, "executor")}.`;
  const lines = [
    `${name ?? "The pipeline"} is in the queue of ${to}${id === undefined ? "" : ` as ${id}`}. ${place}.`,
    whom,
    replaced.length === 0 ? undefined : `It replaces what waited: ${replaced.join(", ")}.`,
  ];
  const dialog = openDialog("Submitted", [
    ...lines.flatMap((line) => line === undefined ? [] : h("p", line)),
    h("p", [h("button", "Good", { type: "submit", class: "main" })], { class: "choice" }),
  ], () => dialog.close());
}
