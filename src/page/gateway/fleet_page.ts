/**
 * Owns the gateway as a whole on the page: executors, runs and what was handed in, each behind a tab.
 * Must not know how a list is drawn, nor one run (run_page.ts).
 * Invariant: only the list that is seen is asked for.
 */
import { Refused } from "../asking.ts";
import { h } from "../dom.ts";
import { narrow, pageFrame } from "../frame.ts";
import { SidePanel } from "../side.ts";
import { Tabs } from "../tabs.ts";
import { ask, Known, Looking, type SignedIn, signOut } from "./ask.ts";
import { executorContent, handoutContent, type PanelActions, runAddress } from "./executor_panel.ts";
import { ExecutorsView } from "./executors_view.ts";
import type { RunTold } from "./feed_gateway.ts";
import { HandoutsView } from "./handouts_view.ts";
import { RunsView } from "./runs_view.ts";
import { askPipeline } from "./submit.ts";
import type { ExecutorQueueTold, HandoutTold, OverviewTold } from "./told.ts";
import { Top } from "./top.ts";

/** One for each tab. */
interface Lists {
  readonly executors: ExecutorsView;
  readonly runs: RunsView;
  readonly handouts: HandoutsView;
}

/** The page. */
export class FleetPage {
  readonly #top: Top;
  readonly #lists: Lists;
  readonly #tabs: Tabs;
  readonly #side: SidePanel = new SidePanel(() => this.#chosen = undefined);
  readonly #looking: Looking;
  readonly #known = {
    overview: new Known<OverviewTold>(ask),
    runs: new Known<{ readonly runs: readonly RunTold[] }>(ask),
    handouts: new Known<{ readonly handouts: readonly HandoutTold[] }>(ask),
  };
  /** What the panel shows: an executor, by its id. */
  #chosen: string | undefined;
  #overview: OverviewTold | undefined;

  /** @param at What the address says: the view, and the executor that is shown. */
  constructor({ token }: SignedIn, at: { readonly tab: string; readonly executor?: string }) {
    const wanted = () => this.#looking.now();
    this.#lists = {
      executors: new ExecutorsView({ wanted, open: (id) => this.#openExecutor(id) }),
      runs: new RunsView({ wanted, open: (run) => location.assign(runAddress(run)) }),
      handouts: new HandoutsView((handout) => this.#openHandout(handout)),
    };
    this.#top = new Top({
      showExecutors: (state) => {
        this.#lists.executors.choose(state);
        this.#tabs.show("executors");
      },
      showRuns: (state) => this.#showRuns({ state }),
      submit: () => this.#submit(),
      leave: () => void signOut().then(() => location.replace("/"), (error) => this.#top.failed(error)),
    }, token);
    this.#looking = new Looking(() => this.#look(), (error) => this.#failed(error));
    const shown = (shown: boolean) => shown && this.#looking.now();
    this.#tabs = new Tabs([
      { name: "executors", title: "Executors", element: this.#lists.executors.element, shown },
      { name: "runs", title: "Runs", element: this.#lists.runs.element, shown },
      { name: "handouts", title: "Submitted", element: this.#lists.handouts.element, shown },
    ], () => narrow.matches && this.#side.close());
    document.title = "Outrider gateway";
    pageFrame({ top: [this.#top.element], tabs: this.#tabs, side: this.#side.element });
    this.#tabs.show("executors");
    this.#tabs.show(at.tab);
    if (at.executor !== undefined) this.#openExecutor(at.executor);
  }

  /** One look: the counts, and the list that is seen. */
  async #look(): Promise<void> {
    const { executors, runs, handouts } = this.#lists;
    this.#overview = await this.#known.overview.read(`/v1/overview?${executors.query}`);
    const { current } = this.#tabs;
    // What has not changed is shown again too: how long ago it was has.
    if (current === "runs") {
      const { query } = runs;
      const all = await this.#known.runs.read(`/v1/runs?${query}`);
      if (query === runs.query) runs.show(all.runs);
    }
    if (current === "handouts") handouts.show((await this.#known.handouts.read("/v1/handouts")).handouts);
    this.#show();
    if (this.#chosen !== undefined) await this.#fillExecutor(this.#chosen);
    this.#top.answered();
    document.documentElement.dataset["link"] = "live";
  }

  #show(): void {
    const { executors, runs } = this.#lists;
    this.#top.chosen({ executors: executors.state, runs: runs.state });
    if (this.#overview === undefined) return;
    this.#top.show(this.#overview);
    executors.show(this.#overview);
  }

  #showRuns(wanted: { readonly state?: string; readonly executor?: string }): void {
    this.#lists.runs.choose(wanted);
    this.#tabs.show("runs");
    this.#looking.now();
  }

  #openExecutor(id: string): void {
    this.#side.open(id);
    this.#chosen = id;
    this.#looking.now();
  }

  async #fillExecutor(id: string): Promise<void> {
    try {
      const told = await (await ask(`/v1/executors/${encodeURIComponent(id)}`)).json() as ExecutorQueueTold;
      if (this.#chosen === id) this.#side.fill(told, () => executorContent(id, told, this.#actions));
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      if (this.#chosen === id) this.#side.fill(error.message, () => [h("p", error.message)]);
    }
  }

  #openHandout(handout: HandoutTold): void {
    this.#chosen = undefined;
    this.#side.open(handout.pipeline ?? handout.id);
    this.#side.fill(handout, () => handoutContent(handout, this.#actions));
  }

  get #actions(): PanelActions {
    return {
      submitTo: (executor) => this.#submit(executor),
      showRuns: (executor) => this.#showRuns({ executor }),
      changed: () => {
        if (this.#chosen === undefined) this.#side.close();
        this.#looking.now();
      },
    };
  }

  #submit(to?: string): void {
    const { executors = [] } = this.#overview ?? {};
    const groups = new Set(executors.flatMap(({ groups = [] }) => groups.map((group) => `group:${group}`)));
    askPipeline({
      ...(to !== undefined && { to }),
      known: ["group:all", ...groups, ...executors.map(({ id }) => id)],
      done: () => {
        if (this.#chosen === undefined) this.#tabs.show("handouts");
        this.#looking.now();
      },
    });
  }

  #failed(error: unknown): void {
    document.documentElement.dataset["link"] = "away";
    this.#top.failed(error);
  }
}
