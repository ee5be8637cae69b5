/**
 * Owns the top of the gateway's page: how many executors and runs stand how, and whether the gateway answers.
 * Must not know the lists below it.
 * Invariant: what changes by itself is not said aloud; that the gateway does not answer is.
 */
import { systemClock } from "../../base/clock.ts";
import { counted } from "../../base/shown.ts";
import { Refused } from "../asking.ts";
import { h, setText } from "../dom.ts";
import { Notices } from "../notices.ts";
import { Chips } from "./chips.ts";
import type { OverviewTold } from "./told.ts";
import { EXECUTORS_SHOWN, type ExecutorShown, RUNS_SHOWN, type RunShown } from "./words.ts";

/** What a person can do at the top. */
export interface TopActions {
  readonly showExecutors: (state: string) => void;
  readonly showRuns: (state: string) => void;
  readonly submit: () => void;
  readonly leave: () => void;
}

/** The top. */
export class Top {
  readonly element: HTMLElement;
  readonly #facts: HTMLElement = h("span", "", { class: "facts" });
  readonly #notices: Notices = new Notices(() => {}, "gateway");
  readonly #executors: Chips<ExecutorShown>;
  readonly #runs: Chips<RunShown>;
  #awaySince = 0;

  /** @param token The name of the token that is signed in by; none where there are no tokens. */
  constructor(actions: TopActions, token: string | undefined) {
    this.#executors = new Chips("Executors", keysOf(EXECUTORS_SHOWN), actions.showExecutors);
    this.#runs = new Chips("Runs", keysOf(RUNS_SHOWN), actions.showRuns);
    const submit = h("button", "Submit a pipeline", {
      type: "button",
      class: "main",
      onclick: actions.submit,
    });
    const leave = h("button", "Sign out", {
      type: "button",
      hidden: token === undefined,
      title: `Signed in by the token ${token}`,
      onclick: actions.leave,
    });
    const title = h("div", [
      h("h1", "Outrider gateway"),
      this.#facts,
      h("span", [submit, leave], { class: "does" }),
    ], { class: "title" });
    this.element = h("header", [
      title,
      this.#executors.element,
      this.#runs.element,
      this.#notices.link,
      this.#notices.conditions,
    ], { class: "top" });
    this.#notices.connection({ state: "connecting" });
  }

  /** Shows the counts. */
  show({ total, counts, runs }: OverviewTold): void {
    setText(this.#facts, counted(total, "executor"));
    this.#executors.update(counts);
    this.#runs.update(runs);
  }

  /** Marks what is chosen of each. */
  chosen({ executors, runs }: { readonly executors: string; readonly runs: string }): void {
    this.#executors.chosen(executors);
    this.#runs.chosen(runs);
  }

  /** The gateway has answered. @param unable Why it tells no more. */
  answered(unable?: string): void {
    this.#awaySince = 0;
    this.#notices.connection({ state: "live" });
    this.#notices.status({ runtime: "", version: "", at: "", ...(unable !== undefined && { unable }) });
  }

  /** It has not, or with a refusal. */
  failed(error: unknown): void {
    if (error instanceof Refused) return this.answered(error.message);
    if (this.#awaySince === 0) this.#awaySince = systemClock.now();
    this.#notices.connection({ state: "away", since: this.#awaySince });
  }
}

function keysOf<K extends string>(table: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(table) as K[];
}
