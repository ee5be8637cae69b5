/**
 * Measures whether the page stays responsive: 2,000 tasks, 100 changes of state a second, every view in turn, while a
 * person moves the graph.
 *
 *   node bench/page.ts [SECONDS] [--quick]
 *
 * Invariant: the end point, the journal and the browser are real; only the run is not carried out, so that the rate holds.
 */
import { existsSync } from "node:fs";
import process from "node:process";
import type { Page } from "playwright-core";
import type { HttpRun } from "../src/http/port.ts";
import type { Journal } from "../src/journal/journal.ts";
import { memoryJournal } from "../src/journal/memory/memory.ts";
import { ResultFold } from "../src/model/result.ts";
import { compile } from "../src/pipeline/plan/compile.ts";
import type { Plan } from "../src/pipeline/plan/plan.ts";
import { EventLog } from "../src/store/events.ts";
import { SharedStore } from "../src/store/store.ts";
import { browse, CHROMIUM, served, watched } from "../tests/page/rig.ts";
import { figure, print, quick, words } from "./figure.ts";

const TASKS = 2_000, WIDTH = 40, CHANGES_A_SECOND = 100, WORKERS = 8;

/** Longest task that a person does not feel as a halt. */
const TARGET_MS = 100;
/** Browsers tell only of tasks that are longer. */
const SHORTEST_MS = 50;

/** Layers of forty, each task with two needs in the layer before. */
function planOf(): Plan {
  const names = Array.from({ length: TASKS }, (_, at) => `probe-${at}`);
  const before = (at: number, step: number) =>
    names[(Math.floor(at / WIDTH) - 1) * WIDTH + (at * step) % WIDTH]!;
  const tasks = Object.fromEntries(names.map((name, at) => [name, {
    run: { module: "./probe.ts" },
    needs: at < WIDTH ? [] : [...new Set([before(at, 7), before(at, 13)])],
  }]));
  return compile({ outrider: 1, name: "fleet", tasks }, "file:///x/");
}

/** A run whose records are written at a steady rate. */
class SteadyRun implements HttpRun {
  readonly run = "steady";
  readonly plan: Plan = planOf();
  readonly journal: Journal = memoryJournal();
  readonly store: SharedStore = new SharedStore();
  readonly events: EventLog = new EventLog();
  readonly files: HttpRun["files"] = {
    list: () => [],
    open: () => Promise.reject(new Error("there is none")),
  };
  readonly over = false;
  readonly whenOver: Promise<void> = new Promise(() => {});
  #changes = 0;
  readonly #startedAt: number = Date.now();

  constructor() {
    this.journal.append(
      { type: "run.started", run: this.run, pipeline: "fleet", runtime: "bench", plan: "" },
      this.#startedAt,
    );
  }

  /** One more change: an attempt begins or ends; every fiftieth fails. After the last task, the first begins again. */
  change(): void {
    const at = Math.floor(this.#changes / 2);
    const [task, iteration] = [`probe-${at % TASKS}`, Math.floor(at / TASKS)];
    const [worker, now] = [at % WORKERS + 1, Date.now()];
    const key = { task, iteration, attempt: 1 };
    if (this.#changes++ % 2 === 0) this.journal.append({ type: "attempt.dispatched", ...key, worker }, now);
    else {
      const outcome = at % 50 === 0 ? "failed" : "succeeded";
      this.journal.append({
        type: "attempt.settled",
        ...key,
        worker,
        outcome,
        startedAt: now - 15,
        endedAt: now,
      }, now);
      this.journal.log({
        at: now,
        level: "info",
        from: "task",
        task,
        iteration,
        attempt: 1,
        stream: "stdout",
        text: `measured ${at}`,
      });
      this.store.set(`last/${at % 100}`, String(at), {});
      this.events.emit("measured", String(at));
    }
  }

  snapshot(): ReturnType<HttpRun["snapshot"]> {
    const zero = { waiting: 0, ready: 0, running: 0, retrying: 0, succeeded: 0, failed: 0 };
    return {
      run: this.run,
      pipeline: "fleet",
      state: "running",
      startedAt: this.#startedAt,
      ranMs: Date.now() - this.#startedAt,
      tasks: TASKS,
      counts: { ...zero, timed_out: 0, cancelled: 0, crashed: 0, skipped: 0 },
      running: [],
      next: [],
      workers: { busy: WORKERS, idle: 0, starting: 0 },
    };
  }

  standings(): [] {
    return [];
  }

  resultJson(): Iterable<string> {
    return new ResultFold().json();
  }

  cancel(): void {}
}

/** What the page has counted since it was asked last. */
interface Counted {
  readonly longest: number;
  readonly long: number;
}

/** Runs in the page before anything of its own. */
function observe(): void {
  const counted = { longest: 0, long: 0 };
  Object.assign(globalThis, { counted });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      counted.longest = Math.max(counted.longest, duration);
      counted.long++;
    }
  }).observe({ type: "longtask", buffered: true });
}

function taken(page: Page): Promise<Counted> {
  return page.evaluate(() => {
    const { counted } = globalThis as unknown as { counted: { longest: number; long: number } };
    const now = { ...counted };
    Object.assign(counted, { longest: 0, long: 0 });
    return now;
  });
}

async function moveGraph(page: Page): Promise<void> {
  const box = (await page.locator(".graph .stage").boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (let turn = 0; turn < 10; turn++) await page.mouse.wheel(0, turn < 6 ? -200 : 200);
  await page.mouse.down();
  for (let step = 0; step < 20; step++) {
    await page.mouse.move(box.x + 300 + step * 12, box.y + 200 + step * 5);
  }
  await page.mouse.up();
}

/** Times from a change in the run until the page has drawn it, milliseconds. */
async function delays(page: Page, run: SteadyRun): Promise<number[]> {
  const found: number[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const seq = run.journal.append({ type: "event.emitted", id: turn, event: "look" }, Date.now());
    const before = performance.now();
    await page.waitForFunction((wanted) => Number(document.documentElement.dataset["seq"]) >= wanted, seq);
    found.push(performance.now() - before);
  }
  return found;
}

async function measure(
  seconds: number,
): Promise<{ readonly found: Map<string, Counted>; readonly shown: readonly number[] }> {
  const run = new SteadyRun();
  for (let change = 0; change < TASKS; change++) run.change();
  const server = await served(() => run);
  const browser = await browse();
  const beat = setInterval(() => run.change(), 1_000 / CHANGES_A_SECOND);
  const found = new Map<string, Counted>();
  let shown: number[] = [];
  try {
    const { page } = await watched(browser);
    await page.addInitScript(observe);
    await page.goto(server.address);
    await page.waitForTimeout(seconds * 1_000);
    found.set("opening", await taken(page));
    await page.locator('.stage[data-placed="final"]').waitFor({ timeout: 120_000, state: "attached" });
    found.set("layout", await taken(page));
    for (const name of ["Graph", "Tasks", "Timeline", "Log", "Store", "Events"]) {
      await page.getByRole("tab", { name }).click();
      if (name === "Graph") await moveGraph(page);
      await page.waitForTimeout(seconds * 1_000);
      found.set(name.toLowerCase(), await taken(page));
      if (name === "Graph") shown = await delays(page, run);
    }
  } finally {
    clearInterval(beat);
    await browser.close();
    await server.close();
  }
  return { found, shown };
}

if (!existsSync(CHROMIUM)) {
  print("page", [], [`there is no browser at ${CHROMIUM}: install Debian's package chromium`]);
  process.exit(0);
}
const { found, shown } = await measure(quick ? 1 : Number(words[0] ?? 5));
print(
  "page",
  [
    ...[...found].map(([name, { longest }]) =>
      figure(`page: longest task, ${name}`, [Math.max(SHORTEST_MS, Math.round(longest))], {
        unit: "ms",
        how:
          `${TASKS} tasks, ${CHANGES_A_SECOND} changes of state a second, Chromium without a graphics card; ` +
          `tasks of less than ${SHORTEST_MS} ms count as ${SHORTEST_MS}`,
        target: { atMost: TARGET_MS },
      })
    ),
    figure("page: change drawn after", shown, {
      unit: "ms",
      how: "from the record in the journal to the picture, median; the page draws at most ten times a second",
      target: { atMost: 500 },
    }),
  ],
  [...found].filter(([, { long }]) => long > 0).map(([name, { long }]) =>
    `${name}: ${long} tasks above ${SHORTEST_MS} ms`
  ),
);
// The run never ends by itself.
process.exit(0);
