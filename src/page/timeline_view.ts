/**
 * Owns the timeline: a row for each worker, a bar for each attempt.
 * Must not know where attempts come from.
 * Invariant: what is drawn is bounded by the pixels there are, not by the number of attempts.
 */
import { h, painter, setText } from "./dom.ts";
import type { AttemptView } from "./timeline_lanes.ts";
import type { Model, TaskView } from "./model.ts";
import { moving } from "./moving.ts";
import { onTheme, readTheme, type Theme } from "./theme.ts";
import { counted, span } from "../base/shown.ts";

const ROW = 30, BAR = 20, LEFT = 76, TOP = 28;

/** The view. */
export class TimelineView {
  readonly element: HTMLElement;
  readonly #canvas: HTMLCanvasElement = h("canvas", [], { "aria-hidden": "true" });
  readonly #stage: HTMLElement;
  readonly #said: HTMLElement = h("p", [], { class: "note" });
  readonly #choose: (task: TaskView) => void;
  #model: Model | undefined;
  #theme: Theme = readTheme();
  /** What is shown, milliseconds since the run's start; all of it where there is none. */
  #range: readonly [from: number, to: number] | undefined;
  #top = 0;
  readonly #paintSoon: () => void = painter(() => this.#paint(), 100);

  constructor(choose: (task: TaskView) => void) {
    this.#choose = choose;
    this.#stage = h("div", [this.#canvas], {
      class: "stage",
      tabindex: 0,
      role: "application",
      "aria-label":
        "Attempts by worker over time. Left and right move, plus and minus zoom, 0 shows all. The tab Tasks has the same as a table.",
    });
    this.element = h("div", [this.#stage, this.#said], { class: "timeline" });
    new ResizeObserver(() => this.#resize()).observe(this.#stage);
    onTheme(() => {
      this.#theme = readTheme();
      this.#paintSoon();
    });
    moving(this.#stage, {
      drag: (dx, dy) => this.#move(dx, dy),
      zoom: (factor, at) => this.#zoom(factor, at[0]),
      click: ([x, y]) => this.#click(x, y),
    });
    this.#stage.addEventListener("keydown", (event) => this.#key(event));
  }

  show(model: Model): void {
    this.#model = model;
    this.#range = undefined;
    this.#top = 0;
    this.#paintSoon();
  }

  update(): void {
    this.#paintSoon();
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.#stage;
    if (clientWidth === 0) return;
    this.#canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.#canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.#paintSoon();
  }

  /** Times since the run's start that are shown. */
  #shown(): readonly [number, number] {
    if (this.#range !== undefined) return this.#range;
    const { startedAt = 0 } = this.#model?.course ?? {};
    return [0, Math.max(1, ((this.#model?.course.time() ?? 0) - startedAt) * 1.02)];
  }

  #perPixel(): number {
    const [from, to] = this.#shown();
    return (to - from) / Math.max(1, this.#stage.clientWidth - LEFT - 12);
  }

  #move(dx: number, dy: number): void {
    const [[from, to], by] = [this.#shown(), dx * this.#perPixel()];
    if (dx !== 0) this.#range = [from - by, to - by];
    const rows = (this.#model?.lanes.begun.size ?? 0) * ROW;
    this.#top = Math.min(0, Math.max(this.#top + dy, this.#stage.clientHeight - TOP - rows));
    this.#paintSoon();
  }

  #zoom(factor: number, x: number = this.#stage.clientWidth / 2): void {
    const [from, to] = this.#shown();
    const fixed = from + (x - LEFT) * this.#perPixel();
    if ((to - from) / factor < 0.05) return;
    this.#range = [fixed - (fixed - from) / factor, fixed + (to - fixed) / factor];
    this.#paintSoon();
  }

  #key(event: KeyboardEvent): void {
    const actions: Readonly<Record<string, () => void>> = {
      "+": () => this.#zoom(1.5),
      "=": () => this.#zoom(1.5),
      "-": () => this.#zoom(1 / 1.5),
      "0": () => {
        this.#range = undefined;
        this.#paintSoon();
      },
      ArrowLeft: () => this.#move(80, 0),
      ArrowRight: () => this.#move(-80, 0),
      ArrowUp: () => this.#move(0, ROW),
      ArrowDown: () => this.#move(0, -ROW),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]!();
  }

  #workers(): number[] {
    return [...this.#model?.lanes.begun.keys() ?? []].sort((a, b) => a - b);
  }

  #click(x: number, y: number): void {
    const worker = this.#workers()[Math.floor((y - TOP - this.#top) / ROW)];
    if (this.#model === undefined || worker === undefined) return;
    const at = this.#model.course.startedAt + this.#shown()[0] + (x - LEFT) * this.#perPixel();
    const slack = 3 * this.#perPixel();
    const hit = this.#model.lanes.begun.get(worker)!.find((attempt) =>
      at >= attempt.startedAt! - slack && at <= (attempt.endedAt ?? Infinity) + slack
    );
    if (hit !== undefined) this.#choose(this.#model.byName.get(hit.task)!);
  }

  #paint(): void {
    const model = this.#model;
    const { clientWidth: width, clientHeight: height } = this.#stage;
    if (model === undefined || width === 0) return;
    const context = this.#canvas.getContext("2d")!;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.#axis(context, width, height);
    const workers = this.#workers();
    context.save();
    context.beginPath();
    context.rect(0, TOP, width, height - TOP);
    context.clip();
    workers.forEach((worker, row) => {
      const y = TOP + this.#top + row * ROW;
      if (y + ROW < 0 || y > height) return;
      context.fillStyle = this.#theme.muted;
      context.font = `12px ${this.#theme.font}`;
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillText(`worker ${worker}`, 10, y + ROW / 2);
      this.#lane(context, model.lanes.begun.get(worker)!, { y: y + (ROW - BAR) / 2, width });
    });
    context.restore();
    const attempts = workers.reduce((sum, worker) => sum + model.lanes.begun.get(worker)!.length, 0);
    setText(this.#said, `${counted(attempts, "attempt")} on ${counted(workers.length, "worker")}`);
  }

  #axis(context: CanvasRenderingContext2D, width: number, height: number): void {
    const [from, to] = this.#shown();
    const wanted = (to - from) / Math.max(2, (width - LEFT) / 110);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = power * ([1, 2, 5, 10].find((each) => each * power >= wanted) ?? 10);
    context.strokeStyle = this.#theme.line;
    context.fillStyle = this.#theme.muted;
    context.lineWidth = 1;
    context.font = `11px ${this.#theme.font}`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (let at = Math.max(0, Math.ceil(from / step) * step); at <= to; at += step) {
      const x = Math.round(LEFT + (at - from) / this.#perPixel()) + 0.5;
      context.beginPath();
      context.moveTo(x, TOP - 8);
      context.lineTo(x, height);
      context.stroke();
      context.fillText(tickText(at), x + 4, TOP - 14);
    }
  }

  /** Bars that are narrower than a pixel are drawn once for each pixel. */
  #lane(
    context: CanvasRenderingContext2D,
    lane: readonly AttemptView[],
    { y, width }: { readonly y: number; readonly width: number },
  ): void {
    const [from, to] = this.#shown();
    const perPixel = this.#perPixel();
    const { startedAt: zero } = this.#model!.course;
    const now = this.#model!.course.time();
    context.save();
    context.beginPath();
    context.rect(LEFT, y - 2, width - LEFT, BAR + 4);
    context.clip();
    let drawnTo = -Infinity, waitedTo = -Infinity;
    for (const attempt of lane) {
      const [start, end] = [attempt.startedAt! - zero, (attempt.endedAt ?? now) - zero];
      if (attempt.waitedMs !== undefined && start > waitedTo) {
        waitedTo = start + perPixel;
        this.#wait(context, y, [start - attempt.waitedMs, start]);
      }
      if (end < from || start > to) continue;
      const x = LEFT + (start - from) / perPixel;
      const wide = Math.max(1.5, (end - start) / perPixel);
      if (x + wide < drawnTo + 1) continue;
      drawnTo = x + wide;
      this.#bar(context, attempt, { x, y, wide });
    }
    context.restore();
  }

  /** A thin line below the bars, up to where an attempt starts that had to wait. */
  #wait(context: CanvasRenderingContext2D, y: number, times: readonly [number, number]): void {
    const [from] = this.#shown();
    const [left, right] = times.map((at) => Math.max(LEFT, LEFT + (at - from) / this.#perPixel()));
    context.fillStyle = this.#theme.strong.waiting;
    context.fillRect(left!, y + BAR, right! - left!, 2);
  }

  #bar(
    context: CanvasRenderingContext2D,
    attempt: AttemptView,
    { x, y, wide }: { readonly x: number; readonly y: number; readonly wide: number },
  ): void {
    const standing = attempt.outcome ?? "running";
    context.beginPath();
    context.roundRect(x, y, wide, BAR, Math.min(4, wide / 2));
    context.fillStyle = wide < 6 ? this.#theme.strong[standing] : this.#theme.fill[standing];
    context.fill();
    if (wide < 6) return;
    context.strokeStyle = this.#theme.strong[standing];
    context.stroke();
    if (wide < 44) return;
    context.save();
    context.clip();
    context.fillStyle = this.#theme.text;
    context.font = `12px ${this.#theme.font}`;
    context.fillText(attempt.task, Math.max(x, LEFT) + 6, y + BAR / 2 + 0.5);
    context.restore();
  }
}

/** A place on the axis: finer than a span where the window is that near. */
function tickText(ms: number): string {
  if (ms === 0) return "0";
  return ms < 10 && !Number.isInteger(ms) ? `${Number(ms.toFixed(3))} ms` : span(ms);
}
