/**
 * Owns what the panel tells of one executor, and of one hand-out, and what can be done with them there.
 * Must not know the lists.
 * Invariant: what an executor told is text, never markup.
 */
import { localTime, localTimeOf } from "../../base/shown.ts";
import { keep, openDialog } from "../dialogs.ts";
import { h, type NodeLike } from "../dom.ts";
import { agoText } from "./ago.ts";
import { ask } from "./ask.ts";
import { facts } from "../side.ts";
import type { ExecutorQueueTold, HandoutTold } from "./told.ts";
import { lookOf } from "./words.ts";

/** Hand-outs of an executor that are shown, the newest. */
const SHOWN = 30;

/** What can be done from the panel. */
export interface PanelActions {
  readonly submitTo: (executor: string) => void;
  readonly showRuns: (executor: string) => void;
  /** Something has changed. */
  readonly changed: () => void;
}

/** What is told of an executor. */
export function executorContent(id: string, told: ExecutorQueueTold, actions: PanelActions): NodeLike[] {
  const { executor, handouts } = told;
  const { heartbeat, state, firstSeenAt, lastSeenAt, rival } = executor ?? {};
  const { run, timetable, spool, load, groups } = heartbeat ?? {};
  return [
    h("p", [
      ...(state === undefined ? ["It was never seen here."] : [badge(state)]),
      heartbeat?.quiet ? " It has announced that it is silent." : undefined,
    ]),
    rival === undefined
      ? undefined
      : h("p", "Another device speaks under this id too: give each an id of its own.", { class: "why" }),
    facts([
      [
        "last seen",
        lastSeenAt === undefined ? undefined : `${agoText(lastSeenAt)} (${localTimeOf(lastSeenAt)})`,
      ],
      ["first seen", firstSeenAt === undefined ? undefined : localTimeOf(firstSeenAt)],
      ["groups", groups?.join(", ")],
      ["experiment", heartbeat?.experiment],
      ["version", heartbeat?.outrider],
      ["runtime", heartbeat?.runtime],
      ["run", run === undefined ? undefined : runLink(run.id, run.pipeline, run.state)],
      ["runs now", run?.state === "running" ? run.names.join(", ") : undefined],
      ["timetable", timetable === undefined ? undefined : dueText(timetable)],
      [
        "to be sent",
        spool === undefined || spool.state + spool.log === 0
          ? undefined
          : `${spool.state + spool.log} records`,
      ],
      ["processors", load?.cpu === undefined ? undefined : `${Math.round(load.cpu * 100)} %`],
      [
        "memory",
        load?.memoryBytes === undefined ? undefined : `${Math.round(load.memoryBytes / 2 ** 20)} MiB`,
      ],
    ]),
    h("p", [
      h("button", "Submit to it", { type: "button", onclick: () => actions.submitTo(id) }),
      h("button", "Its runs", { type: "button", onclick: () => actions.showRuns(id) }),
    ], { class: "choice" }),
    handouts.length === 0 ? undefined : h("h3", "Submitted to it"),
    h("ul", handouts.slice(-SHOWN).reverse().map((handout) => handoutLine(handout, actions)), {
      class: "queue",
    }),
  ];
}

function dueText({ pipeline, next }: { readonly pipeline: string; readonly next?: number }): string {
  return next === undefined ? `${pipeline}: never due again` : `${pipeline}: next ${localTime(next)}`;
}

/** What is told of a hand-out. */
export function handoutContent(handout: HandoutTold, actions: PanelActions): NodeLike[] {
  const { id, to, executor, pipeline, hash, at, state, run, because } = handout;
  return [
    h("p", [badge(state)]),
    facts([
      ["hand-out", id],
      ["for", to],
      ["executor", executor],
      ["run", run === undefined ? undefined : runLink(run, pipeline ?? run, state)],
      ["submitted", localTimeOf(at)],
      ["because", because],
      ["SHA-256", hash],
    ]),
    isOpen(state) ? h("p", [withdrawButton(handout, actions)], { class: "choice" }) : undefined,
  ];
}

function handoutLine(handout: HandoutTold, actions: PanelActions): HTMLElement {
  const { id, pipeline, to, at, state, run, executor } = handout;
  const name = pipeline ?? id;
  const whom = to === executor ? "" : ` for ${to}`;
  return h("li", [
    badge(state),
    " ",
    run === undefined ? name : runLink(run, name, state),
    `${whom}, ${agoText(at)} `,
    isOpen(state) ? withdrawButton(handout, actions) : undefined,
  ]);
}

function isOpen(state: string): boolean {
  return ["waiting", "taken", "running", "lost"].includes(state);
}

function withdrawButton({ id, pipeline, to }: HandoutTold, { changed }: PanelActions): HTMLElement {
  return h("button", "Withdraw", {
    type: "button",
    class: "small danger",
    "aria-label": `Withdraw ${pipeline ?? id}`,
    onclick: () => askWithdraw({ id, name: pipeline ?? id, to, changed }),
  });
}

function askWithdraw(
  { id, name, to, changed }: {
    readonly id: string;
    readonly name: string;
    readonly to: string;
    readonly changed: () => void;
  },
): void {
  const because = h("input", [], {
    type: "text",
    maxlength: 200,
    id: "because",
    placeholder: "no reason given",
  });
  const failed = h("p", "", { class: "why", role: "alert" });
  const go = h("button", "Withdraw it", { type: "submit", class: "danger" });
  const dialog = openDialog(`Withdraw ${name}?`, [
    h("p", `It is taken out of the queue of ${to}, for all whom it is for, and runs of it are cancelled.`),
    h("p", [h("label", "Why, for the record", { for: "because" }), because]),
    failed,
    h("p", [go, keep("Leave it")], { class: "choice" }),
  ], async () => {
    go.disabled = true;
    const why = because.value.trim() || "withdrawn on the gateway's page";
    try {
      await ask(`/v1/handouts/${encodeURIComponent(id)}/cancel?because=${encodeURIComponent(why)}`, {
        method: "POST",
      });
      dialog.close();
      changed();
    } catch (error) {
      failed.textContent = `It could not be withdrawn: ${(error as Error).message}`;
      go.disabled = false;
    }
  });
}

function badge(state: string): HTMLElement {
  return h("span", state, { class: "badge", "data-standing": lookOf(state).like });
}

function runLink(run: string, pipeline: string, state: string): HTMLElement {
  return h("a", pipeline, { href: runAddress(run), title: `Run ${run}: ${state}` });
}

/** Where a run is shown. */
export function runAddress(run: string): string {
  return `/?run=${encodeURIComponent(run)}`;
}
