/**
 * Owns what the panel beside the views tells: all that is known of one task, line, key or event.
 * Must not know what it was chosen in.
 * Invariant: what is shown of a task follows what happens to it.
 */
import { itemsInWords } from "../model/items.ts";
import { between } from "../base/clock.ts";
import { errorLines } from "../model/error_text.ts";
import type { LogRecord } from "../model/record.ts";
import { nameToSave } from "../base/saved_name.ts";
import type { Feed, PageEntry, PageEvent, PageFile } from "./data.ts";
import { h, type NodeLike, painter } from "./dom.ts";
import type { AttemptView } from "./timeline_lanes.ts";
import { attemptFiles, type Model, type TaskView, toldAttempts } from "./model.ts";
import { whyOf } from "./reason.ts";
import { facts, SidePanel } from "./side.ts";
import { counted, localTime, span, timeOfDay } from "../base/shown.ts";
import { pretty, STANDINGS } from "./words.ts";

/** Most of a value that is shown, characters. */
const MOST = 100_000;
/** Most attempts that are shown, the last ones. */
const ATTEMPTS = 20;
/** Files that are shown of an attempt. */
const FILES = 100;

/** What the panel can ask of the page. */
export interface DetailActions {
  readonly chooseTask: (task: TaskView | undefined) => void;
  readonly showLog: (task: string) => void;
}

/** The panel. */
export class Detail {
  readonly #feed: Feed;
  readonly #actions: DetailActions;
  readonly #side: SidePanel = new SidePanel(() => {
    this.#task = undefined;
    this.#actions.chooseTask(undefined);
  });
  #task: { readonly task: TaskView; readonly model: Model } | undefined;
  readonly #followSoon: () => void = painter(() => this.#follow(), 250);

  constructor(feed: Feed, actions: DetailActions) {
    this.#feed = feed;
    this.#actions = actions;
  }

  get element(): HTMLElement {
    return this.#side.element;
  }

  close(): void {
    this.#side.close();
  }

  task(task: TaskView, model: Model): void {
    this.#task = { task, model };
    this.#side.open(task.name);
    this.#follow();
  }

  /** Shows a task as it is now, if one is shown. */
  update(): void {
    if (this.#task !== undefined) this.#followSoon();
  }

  line(
    { at, level, task, iteration, attempt, stream, text, from }: LogRecord,
    model: Model | undefined,
  ): void {
    const known = task === undefined ? undefined : model?.byName.get(task);
    this.#task = undefined;
    this.#open("Log line", [
      facts([
        ["time", at],
        ["level", level],
        ["by", from === "executor" ? "outrider" : stream === "log" ? "the task's logger" : stream],
        ["task", known === undefined ? task : this.#link(known, model!)],
        ["iteration", iteration === undefined || iteration === 0 ? undefined : String(iteration)],
        ["attempt", attempt === undefined ? undefined : String(attempt)],
      ]),
      h("pre", text),
    ]);
  }

  entry({ key, version, expiresAt }: PageEntry): void {
    this.#task = undefined;
    const value = h("pre", "…");
    this.#open(key, [
      facts([
        ["version", String(version)],
        ["expires", expiresAt === undefined ? undefined : localTime(expiresAt)],
      ]),
      value,
    ]);
    this.#fill(value, this.#feed.storeValue(key));
  }

  event({ id, type, at, from, detail }: PageEvent, model: Model | undefined): void {
    const known = from === undefined ? undefined : model?.byName.get(from.task);
    this.#task = undefined;
    this.#open(type, [
      facts([
        ["number", String(id)],
        ["time", localTime(at)],
        ["from", known === undefined ? from?.task ?? "outside of the run" : this.#link(known, model!)],
      ]),
      detail === undefined ? undefined : h("pre", pretty(detail)),
    ]);
  }

  #open(title: string, content: readonly NodeLike[]): void {
    this.#side.open(title);
    this.#side.fill(title, () => content);
  }

  #follow(): void {
    if (this.#task === undefined) return;
    const { task, model } = this.#task;
    const { standing, attempts, progress } = task;
    const why = whyOf(task, model);
    const told = [
      standing,
      attempts.length,
      attempts.at(-1)?.outcome,
      task.files?.length,
      progress,
      task.items && itemsInWords(task.items),
      why,
    ];
    this.#side.fill(told, () => this.#ofTask(task, model, why));
  }

  #ofTask(task: TaskView, model: Model, why: string): NodeLike[] {
    const { standing, progress } = task;
    const told = toldAttempts(task);
    return [
      h("p", [
        h("span", `${STANDINGS[standing].mark} ${STANDINGS[standing].word}`, {
          class: "badge",
          "data-standing": standing,
        }),
      ]),
      ...(why === "" ? [] : [h("p", why, { class: "why" })]),
      ...(progress === undefined ? [] : [
        h("p", [
          h("progress", [], { max: 1, value: progress.fraction, "aria-label": "Progress" }),
          ` ${progress.text ?? ""}`,
        ]),
      ]),
      facts([
        [
          "needs",
          task.needs.length === 0
            ? undefined
            : this.#links(task.needIndexes, model, task.needs.map(({ on }) => on)),
        ],
        ["needed by", task.dependents.length === 0 ? undefined : this.#links(task.dependents, model)],
        ["joins", task.join === "any" && task.needs.length > 1 ? "any of its needs" : undefined],
        ["items", task.items === undefined ? undefined : itemsInWords(task.items)],
        ["runs when", task.when],
        [
          "kind",
          task.kind === "task" ? undefined : task.kind === "sync" ? "sync point, runs nothing" : task.kind,
        ],
        [
          "uses",
          task.uses?.map(({ resource, amount }) => amount === 1 ? resource : `${amount} of ${resource}`).join(
            ", ",
          ),
        ],
        ["may fail", task.allowFailure ? "yes, without failing the run" : undefined],
        ["timeout", task.timeoutMs === undefined ? undefined : span(task.timeoutMs)],
        ["tries", task.tries > 1 ? `at most ${task.tries}` : undefined],
      ]),
      h("p", [
        h("button", "Log of this task", {
          type: "button",
          class: "small",
          onclick: () => this.#actions.showLog(task.name),
        }),
      ]),
      ...told.slice(-ATTEMPTS).reverse().map((attempt) =>
        this.#attempt(attempt, { all: told, files: attemptFiles(task, attempt) })
      ),
      ...(told.length > ATTEMPTS ? [h("p", `and ${counted(told.length - ATTEMPTS, "attempt")} before`)] : []),
      ...[...task.items?.failed.values() ?? []].slice(0, ATTEMPTS).map((attempt) =>
        this.#attempt(attempt, { all: told, files: attemptFiles(task, attempt) })
      ),
    ];
  }

  #attempt(
    attempt: AttemptView,
    { all, files }: { readonly all: readonly AttemptView[]; readonly files: readonly PageFile[] },
  ): HTMLElement {
    const { iteration, attempt: number, item, outcome, worker, startedAt, endedAt, error, seq } = attempt;
    const loops = all.some((each) => each.iteration > 0);
    const standing = outcome ?? (startedAt === undefined ? "queued" : "running");
    const value = h("pre", [], { hidden: true });
    const show = h("button", "Show value", {
      type: "button",
      class: "small",
      onclick: () => {
        show.remove();
        value.hidden = false;
        value.textContent = "…";
        this.#fill(value, this.#feed.value(seq!));
      },
    });
    return h("section", [
      h("h3", [
        `${item === undefined ? "" : `Item ${item}: `}${
          loops ? `Iteration ${iteration}, attempt` : "Attempt"
        } ${number} `,
        h("span", STANDINGS[standing].word, { class: "badge", "data-standing": standing }),
      ]),
      facts([
        ["worker", worker === undefined ? undefined : String(worker)],
        ["waited", attempt.waitedMs === undefined ? undefined : `${span(attempt.waitedMs)}, its needs met`],
        ["started", startedAt === undefined ? undefined : timeOfDay(startedAt)],
        [
          "took",
          startedAt === undefined || endedAt === undefined ? undefined : span(between(startedAt, endedAt)),
        ],
      ]),
      error === undefined ? undefined : h("pre", errorText(error), { class: "bad" }),
      ...files.slice(0, FILES).map((file) => this.#file(file)),
      files.length > FILES ? h("p", `and ${counted(files.length - FILES, "file")} more`) : undefined,
      outcome === "succeeded" && seq !== undefined ? show : undefined,
      value,
    ]);
  }

  #file(file: PageFile): HTMLElement {
    const whose = file.item === undefined ? "" : `Item ${file.item}: `;
    if (file.type === "file.refused") {
      return h("p", `${whose}File ${file.name} is not kept: ${file.because}`, { class: "bad" });
    }
    const { name, bytes, sha256 } = file;
    const about = h("span", ` ${counted(bytes, "byte")}, SHA-256 ${sha256.slice(0, 12)}… `);
    const get = this.#feed.file?.bind(this.#feed);
    const save = get && h("button", "Save", {
      type: "button",
      class: "small",
      "aria-label": `Save ${name}`,
      onclick: () => {
        get(sha256).then((blob) => saveAs(blob, name), (error: Error) => {
          about.textContent = ` It could not be fetched: ${error.message} `;
        });
      },
    });
    return h("p", [`${whose}File `, h("code", name), about, save], { class: "file" });
  }

  /** @param on For each: on which outcome it is needed. */
  #links(indexes: readonly number[], model: Model, on: readonly string[] = []): HTMLElement {
    const plain = model.pipeline.onFailure === "continue" ? "any" : "success";
    const links = indexes.slice(0, 30).flatMap((index, at) => [
      this.#link(model.tasks[index]!, model),
      on[at] === undefined || on[at] === plain ? " " : ` (on ${on[at]}) `,
    ]);
    return h("span", [...links, indexes.length > 30 ? `and ${indexes.length - 30} more` : undefined]);
  }

  #link(task: TaskView, model: Model): HTMLElement {
    return h("button", task.name, {
      type: "button",
      class: "link",
      onclick: () => {
        this.#actions.chooseTask(task);
        this.task(task, model);
      },
    });
  }

  #fill(element: HTMLElement, value: Promise<string | undefined>): void {
    value.then((text) => {
      if (text === undefined) element.textContent = "no value";
      else if (text.length > MOST) {
        element.textContent = `${text.slice(0, MOST)}\n… and ${text.length - MOST} more characters`;
      } else element.textContent = pretty(text);
    }, (error: Error) => element.textContent = `It could not be read: ${error.message}`);
  }
}

/** Has the browser save bytes under a name. They may be many: a browser keeps them on its disk meanwhile. */
function saveAs(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob);
  h("a", [], { href, download: nameToSave(name) }).click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

function errorText(error: NonNullable<AttemptView["error"]>): string {
  return [`${error.name}: ${error.message}`, ...errorLines(error).map((line) => `    ${line}`)].join("\n");
}
