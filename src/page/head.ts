/**
 * Owns the top of the page: what runs and how it stands, above the counts (counts.ts) and what went wrong (wrong.ts).
 * Must not know the views below it.
 * Invariant: what it says of the run is said in words and is told to a screen reader when the run ends or is lost.
 */
import { counted, localTime, localTimeOf, tookText } from "../base/shown.ts";
import { Counts } from "./counts.ts";
import type { Connection, PageStatus } from "./data.ts";
import { h, setAttribute, setText } from "./dom.ts";
import type { HeadActions } from "./head_actions.ts";
import type { Model } from "./model.ts";
import { Notices } from "./notices.ts";
import { Wrong } from "./wrong.ts";

/** The line that names the run, and what can be done with it. */
class Title {
  readonly element: HTMLElement;
  readonly #name: HTMLElement = h("h1", "Outrider");
  readonly #state: HTMLElement = h("span", "", { class: "badge", role: "status" });
  readonly #facts: HTMLElement = h("span", "", { class: "facts" });
  readonly #origin: HTMLElement = h("span", "", { class: "facts origin" });
  readonly #next: HTMLElement = h("span", "", { class: "facts next" });
  readonly #cancel: HTMLButtonElement;
  readonly #mayCancel: boolean;

  constructor(cancel: HeadActions["cancel"]) {
    this.#mayCancel = cancel !== undefined;
    this.#cancel = h("button", "Cancel the run", {
      type: "button",
      class: "danger",
      hidden: true,
      onclick: () => cancel?.(),
    });
    this.element = h("div", [this.#name, this.#state, this.#facts, this.#next, this.#origin, this.#cancel], {
      class: "title",
    });
  }

  /** Says when the next run of a timetable begins. */
  next(timetable: PageStatus["timetable"]): void {
    if (timetable === undefined) return setText(this.#next, "");
    const { cron, timezone, next } = timetable;
    setText(this.#next, next === undefined ? "never due again" : `next ${localTimeOf(next)}`);
    setAttribute(this.#next, "title", `By the timetable ${cron} (${timezone})`);
  }

  update(model: Model, live: boolean): void {
    const { course, pipeline, tasks } = model;
    const { state, startedAt } = course;
    setText(this.#name, pipeline.name);
    document.title = `${pipeline.name}: ${state}`;
    setText(this.#state, state === "stopping" ? "being stopped" : state);
    setAttribute(this.#state, "data-standing", state === "stopping" ? "cancelled" : state);
    const took = startedAt === 0 ? "" : ` · ${tookText(course.took(live), course.sinceResume(live))}`;
    setText(this.#facts, `${counted(tasks.length, "task")}${took}`);
    setText(this.#origin, `${model.runtime} · run ${model.id.slice(0, 8)}`);
    setAttribute(this.#facts, "title", `Run ${model.id}, begun ${localTime(startedAt)}`);
    this.#cancel.hidden = !this.#mayCancel || !live || state !== "running";
  }
}

/** The top. */
export class Head {
  readonly element: HTMLElement;
  readonly #title: Title;
  readonly #counts: Counts;
  readonly #notices: Notices;
  readonly #wrong: Wrong;
  #live = false;

  constructor(actions: HeadActions) {
    this.#title = new Title(actions.cancel);
    this.#counts = new Counts(actions.chooseStanding);
    this.#notices = new Notices(actions.askToken, actions.teller);
    this.#wrong = new Wrong(actions);
    this.element = h("header", [
      this.#title.element,
      this.#counts.share,
      this.#counts.element,
      this.#notices.link,
      this.#notices.conditions,
      this.#wrong.element,
    ], { class: "top" });
  }

  /** Says how the page stands to who tells. */
  link(link: Connection): void {
    this.#live = link.state === "live";
    this.#notices.connection(link);
  }

  /** Says what is not as it should be. */
  status(status: PageStatus): void {
    this.#notices.status(status);
    this.#title.next(status.timetable);
  }

  /** Shows the run as it is now. */
  update(model: Model): void {
    this.#title.update(model, this.#live);
    this.#counts.update(model);
    this.#wrong.update(model);
  }
}
