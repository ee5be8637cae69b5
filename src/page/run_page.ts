/**
 * Owns what is shown of one run: it wires a feed to the views.
 * Must not know how a view draws, nor where a feed has its news from.
 * Invariant: a record is folded at once; the views are drawn a few times a second, and only the one that is seen.
 */
import type { Connection, Feed, PagePipeline, PageStatus } from "./data.ts";
import { Detail } from "./detail.ts";
import { askCancel, askToken } from "./dialogs.ts";
import { painter } from "./dom.ts";
import { narrow, pageFrame } from "./frame.ts";
import { GraphView } from "./graph_view.ts";
import { Head } from "./head.ts";
import { LogView } from "./log_view.ts";
import { Model, type TaskView } from "./model.ts";
import { EventsView, StoreView } from "./store_view.ts";
import { Tabs } from "./tabs.ts";
import { TasksView } from "./tasks_view.ts";
import { TimelineView } from "./timeline_view.ts";
import { BAD } from "./words.ts";

/** Most tasks that are found in a graph at a glance. */
const FEW_TASKS = 50;

/** One for each tab. */
interface Views {
  readonly graph: GraphView;
  readonly timeline: TimelineView;
  readonly tasks: TasksView;
  readonly log: LogView;
  readonly store: StoreView;
  readonly events: EventsView;
}

/** How a run is shown. */
export interface RunPageOptions {
  /** The view that it opens with; none: what suits the run. */
  readonly tab: string;
  /** What stands above it all. */
  readonly above?: HTMLElement;
}

/** Wires a feed to the views. */
export class RunPage {
  readonly #feed: Feed;
  readonly #detail: Detail;
  readonly #head: Head;
  readonly #views: Views;
  readonly #tabs: Tabs;
  #model: Model | undefined;
  /** Whether it is decided what the page opens with. */
  #opened: boolean;
  #link: Connection = { state: "connecting" };
  readonly #drawSoon: () => void = painter(() => this.#draw(), 100);

  constructor(feed: Feed, { tab, above }: RunPageOptions) {
    this.#feed = feed;
    this.#opened = tab !== "";
    this.#detail = new Detail(feed, {
      chooseTask: (task) => this.#views.graph.choose(task),
      showLog: (task) => {
        this.#views.log.only(task);
        this.#tabs.show("log");
      },
    });
    const openTask = (task: TaskView) => this.#choose(task, true);
    const views = this.#views = {
      graph: new GraphView({ code: layoutCode(), choose: (task, open) => this.#choose(task, open) }),
      timeline: new TimelineView(openTask),
      tasks: new TasksView(openTask),
      log: new LogView(feed, (record) => this.#detail.line(record, this.#model)),
      store: new StoreView(feed, (entry) => this.#detail.entry(entry)),
      events: new EventsView(feed, (event) => this.#detail.event(event, this.#model)),
    };
    this.#head = new Head({
      chooseStanding: (wanted) => {
        views.tasks.filter(wanted);
        this.#tabs.show("tasks");
      },
      chooseTask: openTask,
      cancel: feed.cancel && (() => askCancel(this.#model?.pipeline.name ?? "the run", feed.cancel!)),
      askToken: () => feed.useToken && askToken(feed.useToken),
      teller: feed.teller,
    });
    const draw = (shown: boolean) => shown && this.#drawSoon();
    this.#tabs = new Tabs([
      { name: "graph", title: "Graph", element: views.graph.element, shown: draw },
      { name: "tasks", title: "Tasks", element: views.tasks.element, shown: draw },
      { name: "timeline", title: "Timeline", element: views.timeline.element, shown: draw },
      { name: "log", title: "Log", element: views.log.element, shown: (shown) => views.log.shown = shown },
      {
        name: "store",
        title: "Store",
        element: views.store.element,
        shown: (shown) => views.store.shown = shown,
      },
      {
        name: "events",
        title: "Events",
        element: views.events.element,
        shown: (shown) => views.events.shown = shown,
      },
    ], () => narrow.matches && this.#detail.close());
    const top = [...(above === undefined ? [] : [above]), this.#head.element];
    pageFrame({ top, tabs: this.#tabs, side: this.#detail.element });
    this.#tabs.show("graph");
    this.#tabs.show(tab);
    this.#listen();
  }

  #listen(): void {
    this.#head.link(this.#link);
    this.#feed.start({
      begin: (run, pipeline) => this.#begin(run, pipeline),
      record: (record) => {
        this.#model?.add(record);
        if (record.type === "run.ended" && this.#link.state === "report") {
          this.#open(this.#model!.bad().length > 0);
        }
        this.#drawSoon();
      },
      status: (status) => this.#status(status),
      link: (link) => {
        this.#link = link;
        this.#head.link(link);
        this.#drawSoon();
      },
    });
  }

  #begin(run: { readonly id: string; readonly runtime: string }, pipeline: PagePipeline): void {
    this.#detail.close();
    const model = this.#model = new Model(run, pipeline);
    // Placing thousands of tasks is a task of its own, so that it does not add to this one.
    setTimeout(() => void this.#views.graph.show(model));
    this.#views.timeline.show(this.#model);
    this.#views.tasks.show(this.#model);
    if (this.#tabs.current === "store") this.#views.store.shown = true;
    if (this.#tabs.current === "events") this.#views.events.shown = true;
    this.#views.log.begin(this.#model.byName);
    this.#drawSoon();
  }

  #status(status: PageStatus): void {
    this.#head.status(status);
    this.#model?.course.setTime(Date.parse(status.at));
    if (status.run !== undefined) this.#model?.course.setRan(status.run.ranMs);
    this.#model?.progress(status.run?.running ?? []);
    this.#model?.lack(status.run?.waiting ?? []);
    if (status.run !== undefined) this.#open(BAD.some((name) => status.run!.counts[name]! > 0));
    this.#drawSoon();
  }

  /** Who opens the page on a large run in which something went wrong sees that first. */
  #open(wrong: boolean): void {
    if (this.#opened) return;
    this.#opened = true;
    if (!wrong || this.#model!.tasks.length <= FEW_TASKS || this.#tabs.current !== "graph") return;
    this.#views.tasks.filter("wrong");
    this.#tabs.show("tasks", { own: true });
  }

  #choose(task: TaskView, open: boolean): void {
    this.#views.graph.choose(task);
    if (open) this.#detail.task(task, this.#model!);
  }

  #draw(): void {
    const model = this.#model;
    if (model === undefined) return;
    this.#head.update(model);
    const { current } = this.#tabs;
    if (current === "graph") this.#views.graph.update();
    if (current === "timeline") this.#views.timeline.update();
    if (current === "tasks") this.#views.tasks.update();
    this.#detail.update();
    document.documentElement.dataset["run"] = model.course.state;
    document.documentElement.dataset["seq"] = String(model.course.seq);
    document.documentElement.dataset["link"] = this.#link.state;
  }
}

/** The program of the layout's worker, which lies in the document as text. */
function layoutCode(): string {
  return document.getElementById("outrider-layout")?.textContent ?? "";
}
