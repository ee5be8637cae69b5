/**
 * Tests the page in a real browser, over the real end point and a real run.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Locator, Page } from "playwright-core";
import { inspectedRun } from "../../src/run/run.ts";
import { pageReport } from "../../src/serving/report.ts";
import { testWith } from "../system.ts";
import { accessibilityProblems } from "./axe.ts";
import { browse, httpRun, type PageOnRun, served, TOKEN, watched, withPage } from "./rig.ts";

const MODULE: string = fileURLToPath(new URL("../fixtures/page/tasks.ts", import.meta.url));

function runs(name: string, more: object = {}): object {
  return { run: { module: MODULE, export: name }, ...more };
}

/** Two tasks that wait to be let go, and what follows. */
const HELD = {
  outrider: 1,
  name: "held-check",
  tasks: {
    first: runs("keeps"),
    held: runs("held", { needs: ["first"] }),
    last: runs("quick", { needs: ["held"] }),
  },
} as const;

/** One task fails, another comes after the failure, a third is skipped. */
const FAILING = {
  outrider: 1,
  name: "failing",
  onFailure: "continue",
  tasks: {
    good: runs("quick"),
    bad: runs("fails", { needs: ["good"] }),
    repair: runs("quick", { needs: [{ task: "bad", on: "failure" }] }),
    never: runs("quick", { needs: [{ task: "good", on: "failure" }] }),
  },
} as const;

/** Waits until the page says that the run stands so. */
async function stands(page: Page, state: string): Promise<void> {
  await page.waitForFunction((wanted) => document.documentElement.dataset["run"] === wanted, state);
}

async function opensTab(page: Page, name: string): Promise<void> {
  await page.getByRole("tab", { name }).click();
}

/** Rows of the table that is shown, each as its cells' texts. */
function rows(page: Page, view: string): Promise<string[][]> {
  return page.locator(`#panel-${view} .line:not([hidden])`).evaluateAll((lines) =>
    lines.map((line) => [...line.children].map((cell) => cell.textContent ?? ""))
  );
}

/** Waits until one of the rows fits. */
async function hasRow(page: Page, view: string, cells: RegExp): Promise<void> {
  await page.waitForFunction(([panel, wanted]) => {
    const lines = document.querySelectorAll(`#panel-${panel} .line:not([hidden])`);
    return [...lines].some((line) =>
      new RegExp(wanted!).test([...line.children].map((cell) => cell.textContent).join(" | "))
    );
  }, [view, cells.source] as const);
}

testWith(
  ["chromium"],
  "a run is seen from its start to its end",
  () =>
    withPage(HELD, async ({ page, execution }) => {
      await stands(page, "running");
      await page.getByRole("heading", { name: "held-check" }).waitFor();
      await opensTab(page, "Tasks");
      await hasRow(page, "tasks", /^first \| ✓ succeeded/);
      await hasRow(page, "tasks", /^held \| ▶ running 50 %.*half way/);
      await hasRow(page, "tasks", /^last \| .*for held/);
      await page.locator("#panel-tasks .line", { hasText: "first" }).first().click();
      const saved = page.waitForEvent("download");
      await page.getByRole("button", { name: "Save first <capture> ä.pcap" }).click();
      const file = await saved;
      assert.equal(file.suggestedFilename().normalize(), "first _capture_ ä.pcap");
      assert.equal(readFileSync(await file.path(), "utf8"), "what was captured");
      await page.getByRole("button", { name: "Close" }).click();
      execution.store.set("go", "true");
      await stands(page, "succeeded");
      await hasRow(page, "tasks", /^last \| ✓ succeeded/);
      assert.equal(await page.locator(".title .badge").textContent(), "succeeded");
      assert.equal(await page.getByRole("button", { name: "Cancel the run" }).isVisible(), false);
      await opensTab(page, "Timeline");
      await page.getByText("3 attempts on").waitFor();
    }),
);

testWith(
  ["chromium"],
  "a failure is told with its reason, its stack and its cause; a skipped task with why",
  () =>
    withPage(FAILING, async ({ page }) => {
      await stands(page, "failed");
      await page.getByText("1 task went wrong, 1 task was skipped").waitFor();
      await page.locator(".wrong").getByRole("button", { name: "bad" }).click();
      const detail = page.getByRole("complementary", { name: "Details" });
      await detail.getByText("RangeError: The disk has no <room> left").first().waitFor();
      assert.match(await detail.locator("pre.bad").innerText(), /tasks\.ts:\d+[\s\S]*caused by Error: quota/);
      await page.keyboard.press("Escape");
      assert.equal(await detail.isVisible(), false);
      await page.getByRole("button", { name: /skipped/ }).click();
      await hasRow(page, "tasks", /^never \| − skipped.*good did not fail/);
      assert.equal((await rows(page, "tasks")).length, 1);
    }),
);

testWith(
  ["chromium"],
  "a run is cancelled only after a question, and the reason is kept",
  () =>
    withPage(HELD, async ({ page, execution }) => {
      await stands(page, "running");
      const ask = page.getByRole("button", { name: "Cancel the run" });
      await ask.click();
      await page.getByRole("button", { name: "Let it run" }).click();
      assert.equal(execution.snapshot().state, "running");
      await ask.click();
      const dialog = page.getByRole("dialog", { name: "Cancel this run?" });
      await dialog.getByLabel("Why, for the record").fill("the device is needed");
      assert.deepEqual(await accessibilityProblems(page), []);
      await dialog.getByRole("button", { name: "Cancel the run" }).click();
      await stands(page, "cancelled");
      await page.getByText("The run was stopped: the device is needed").waitFor();
      assert.equal((await execution).state, "cancelled");
    }),
);

testWith(
  ["chromium"],
  "the log can be filtered by task, level and text, and followed",
  () =>
    withPage(HELD, async ({ page, execution }) => {
      await opensTab(page, "Log");
      await hasRow(page, "log", /info \| first \| first has begun/);
      await hasRow(page, "log", /warn \| held \| waiting to be let go/);
      await page.getByLabel("Only lines of this task").fill("held");
      await page.waitForFunction(() =>
        document.querySelectorAll("#panel-log .line:not([hidden])").length === 1
      );
      execution.store.set("go", "true");
      await hasRow(page, "log", /error \| held \| let go/);
      await page.getByLabel("Least level").selectOption("error");
      await page.waitForFunction(() =>
        document.querySelectorAll("#panel-log .line:not([hidden])").length === 1
      );
      assert.match((await rows(page, "log"))[0]!.join(" "), /let go$/);
      await page.getByLabel("Only lines of this task").fill("");
      await page.getByLabel("Least level").selectOption("debug");
      await page.getByLabel("Only lines with this text").fill("LAST HAS");
      await hasRow(page, "log", /last \| last has begun/);
      await page.waitForFunction(() =>
        document.querySelectorAll("#panel-log .line:not([hidden])").length === 1
      );
    }),
);

testWith(
  ["chromium"],
  "the store and the events are shown as they change, and values are text, never markup",
  () =>
    withPage(HELD, async ({ page, execution }) => {
      await opensTab(page, "Store");
      await hasRow(page, "store", /^held\/by \| 1 \| \{"task":"held"/);
      execution.store.set("count", "7");
      await hasRow(page, "store", /^count \| 1 \| 7$/);
      execution.store.delete("count", {});
      await page.waitForFunction(() =>
        document.querySelectorAll("#panel-store .line:not([hidden])").length === 1
      );
      await page.locator("#panel-store .line").first().click();
      await page.locator(".detail pre", { hasText: '"markup": "<b>not bold</b>"' }).waitFor();
      await opensTab(page, "Events");
      await hasRow(page, "events", /held \| held \| \{"since":"now"\}/);
      execution.events.emit("from/outside", "1");
      await hasRow(page, "events", /from\/outside \| outside \| 1/);
    }),
);

testWith(
  ["chromium"],
  "a value is fetched when it is asked for",
  () =>
    withPage(FAILING, async ({ page }) => {
      await stands(page, "failed");
      await opensTab(page, "Tasks");
      await page.locator("#panel-tasks .line", { hasText: "good" }).first().click();
      await page.getByRole("button", { name: "Show value" }).click();
      await page.locator(".detail pre", { hasText: /^42$/ }).waitFor();
    }),
);

testWith(
  ["chromium"],
  "everything can be reached by keyboard alone",
  () =>
    withPage(HELD, async ({ page }) => {
      await stands(page, "running");
      await page.waitForFunction(() =>
        document.querySelector(".graph .stage")?.getAttribute("data-placed") === "final"
      );
      await page.getByRole("tab", { name: "Graph" }).focus();
      await page.keyboard.press("Tab");
      await page.keyboard.press("ArrowDown");
      await page.locator(".graph [aria-live]", { hasText: "first, succeeded, no needs" }).waitFor();
      // To the next layer, whichever way the layers go.
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowDown");
      await page.locator(".graph [aria-live]", { hasText: "needs first" }).waitFor();
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "held", exact: true }).waitFor();
      await page.keyboard.press("Escape");
      assert.equal(await page.evaluate(() => document.activeElement?.className), "stage");
      await page.getByRole("tab", { name: "Graph" }).focus();
      await page.keyboard.press("ArrowRight");
      assert.equal(await page.getByRole("tab", { name: "Tasks" }).getAttribute("aria-selected"), "true");
      for (let presses = 0; presses < 3; presses++) await page.keyboard.press("Tab");
      await page.keyboard.press("End");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "last", exact: true }).waitFor();
    }),
);

for (const scheme of ["light", "dark"] as const) {
  testWith(
    ["chromium"],
    `axe finds nothing wrong with any view, ${scheme}`,
    () =>
      withPage(FAILING, async ({ page }) => {
        await stands(page, "failed");
        for (const name of ["Graph", "Tasks", "Timeline", "Log", "Store", "Events"]) {
          await opensTab(page, name);
          if (name === "Tasks") await page.locator("#panel-tasks .line", { hasText: "bad" }).first().click();
          assert.deepEqual(await accessibilityProblems(page), [], name);
        }
      }, { scheme }),
  );
}

testWith(
  ["chromium"],
  "a phone shows all of it without scrolling sideways",
  () =>
    withPage(FAILING, async ({ page }) => {
      await stands(page, "failed");
      for (const name of ["Graph", "Tasks", "Timeline", "Log", "Store", "Events"]) {
        await opensTab(page, name);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, name);
        const { height } = (await page.locator(".work").boundingBox())!;
        assert.ok(height > 300, `${name} has only ${height} pixels of the phone`);
      }
      await opensTab(page, "Tasks");
      await page.locator("#panel-tasks .line", { hasText: "bad" }).first().click();
      assert.equal((await page.locator(".detail").boundingBox())!.width, 360);
      assert.deepEqual(await accessibilityProblems(page), []);
    }, { width: 360, height: 740 }),
);

testWith(
  ["chromium"],
  "on a phone every tab can be pressed, and the log shows when and what",
  () =>
    withPage(FAILING, async ({ page }) => {
      await stands(page, "failed");
      for (const tab of await page.getByRole("tab").all()) {
        const { x, width } = (await tab.boundingBox())!;
        assert.ok(x >= 0 && x + width <= 360, `${await tab.textContent()} ends at ${x + width}`);
        assert.ok(await seenWhole(tab), `the whole of ${await tab.textContent()} is seen`);
      }
      await opensTab(page, "Log");
      await hasRow(page, "log", /good has begun/);
      const line = page.locator("#panel-log .line", { hasText: "good has begun" });
      for (const column of ["time", "text"]) {
        const cell = line.locator(`[data-column=${column}]`);
        assert.ok(await cell.isVisible(), column);
        assert.ok(await seenWhole(cell), `the whole of the ${column} is seen`);
      }
      assert.match((await line.locator("[data-column=time]").textContent())!, /^\d\d:\d\d:\d\d\.\d{3}$/);
    }, { width: 360, height: 640 }),
);

/** Whether nothing of an element's text is cut off. */
function seenWhole(element: Locator): Promise<boolean> {
  return element.evaluate(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth);
}

/** Three tasks among 2,000 fail; nearly all others run nothing. */
const MANY = {
  outrider: 1,
  name: "many",
  onFailure: "continue",
  tasks: Object.fromEntries(
    Array.from({ length: 2_000 }, (_, at) => [`t${at}`, at % 700 === 13 ? runs("fails") : {}]),
  ),
} as const;

for (const width of [360, 1_280]) {
  testWith(
    ["chromium"],
    `a failing run among 2,000 tasks opens with what failed, at ${width} pixels`,
    () =>
      withPage(MANY, async ({ page, execution, server }) => {
        await execution;
        await page.goto("about:blank");
        await page.goto(server.address);
        await opensWithFailures(page);
        assert.equal(page.url(), `${server.url}/`, "what was not chosen is not in the address");
        // Who chooses a view sees that one, also when it is opened again.
        await opensTab(page, "Graph");
        await page.reload();
        await stands(page, "failed");
        assert.equal(await page.getByRole("tab", { name: "Graph" }).getAttribute("aria-selected"), "true");
        const folder = mkdtempSync(join(tmpdir(), "outrider-page-"));
        try {
          const file = join(folder, "run.html");
          writeFileSync(file, [...pageReport(execution)].join(""));
          await page.goto(pathToFileURL(file).href);
          await opensWithFailures(page);
        } finally {
          rmSync(folder, { recursive: true });
        }
      }, { width, height: 740 }),
  );
}

async function opensWithFailures(page: Page): Promise<void> {
  await stands(page, "failed");
  await page.getByRole("tab", { name: "Tasks", selected: true }).waitFor();
  await hasRow(page, "tasks", /^t13 \| ✗ failed/);
  assert.deepEqual((await rows(page, "tasks")).map(([name]) => name), ["t13", "t713", "t1413"]);
  assert.ok(await page.locator(".wrong").getByRole("button", { name: "t713" }).isVisible());
}

testWith(
  ["chromium"],
  "the first key press leads past the top of the page to its content",
  () =>
    withPage(FAILING, async ({ page }) => {
      await stands(page, "failed");
      const address = page.url();
      await page.keyboard.press("Tab");
      const skip = page.getByRole("link", { name: "Skip to the content" });
      assert.ok(await skip.evaluate((link) => link === document.activeElement));
      const { x, y } = (await skip.boundingBox())!;
      assert.ok(x >= 0 && y >= 0, "it is seen while it has the focus");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
      assert.equal(page.url(), address);
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement?.className), "stage");
      assert.ok((await skip.boundingBox())!.y < 0, "it is out of sight again");
    }, { width: 360, height: 640 }),
);

testWith(
  ["chromium"],
  "without a token the page asks for one, and takes it",
  () =>
    withPage(HELD, async ({ page, said, server }) => {
      await page.evaluate(() => sessionStorage.clear());
      await page.goto("about:blank");
      await page.goto(server.url);
      await page.getByText("The executor wants a token.").waitFor();
      await page.getByRole("button", { name: "Enter the token" }).click();
      await page.getByRole("dialog").getByLabel("Token").fill(TOKEN);
      await page.getByRole("button", { name: "Use it" }).click();
      await stands(page, "running");
      // The browser itself notes the refusal.
      assert.match(said.splice(0).join("\n"), /^Failed to load resource:.*401/);
    }),
);

testWith(
  ["chromium"],
  "the token leaves the address, and stays for the tab",
  () =>
    withPage(HELD, async ({ page, server }) => {
      await stands(page, "running");
      assert.equal(page.url(), `${server.url}/`);
      await page.reload();
      await stands(page, "running");
    }),
);

testWith(
  ["chromium"],
  "an executor that is away is said to be, and is shown again when it is back",
  async () => {
    const browser = await browse();
    const execution = inspectedRun(HELD, { workers: 1 });
    let server = await served(() => httpRun(execution));
    try {
      const { page } = await watched(browser);
      await page.goto(server.address);
      await stands(page, "running");
      const port = Number(new URL(server.url).port);
      await server.close();
      await page.getByText("The executor has not answered since").waitFor();
      execution.store.set("go", "true");
      await execution;
      server = await served(() => httpRun(execution), port);
      await stands(page, "succeeded");
      assert.equal(await page.getByText("The executor has not answered since").isVisible(), false);
    } finally {
      await browser.close();
      execution.cancel("the test is over");
      await Promise.resolve(execution);
      await server.close();
    }
  },
);

testWith(
  ["chromium"],
  "an executor that ends after its run is told apart from one that is away",
  async () => {
    const browser = await browse();
    const execution = inspectedRun(FAILING, { workers: 1 });
    const server = await served(() => httpRun(execution));
    try {
      const { page } = await watched(browser);
      await page.goto(server.address);
      await stands(page, "failed");
      await server.close();
      await page.getByText("The run is over and its executor has ended.").waitFor();
    } finally {
      await browser.close();
      await server.close();
    }
  },
);

testWith(
  ["chromium"],
  "a page that is not seen holds no connection, and catches up when it is seen again",
  () =>
    withPage(HELD, async ({ page, execution }) => {
      await stands(page, "running");
      const left = page.waitForEvent("requestfailed", (request) => request.url().includes("/records"));
      await see(page, false);
      await left;
      execution.store.set("go", "true");
      await execution;
      assert.equal(await page.locator(".title .badge").textContent(), "running");
      await see(page, true);
      await stands(page, "succeeded");
    }),
);

/** What a browser does when its tab goes to the background, or comes back. */
async function see(page: Page, seen: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, !seen);
}

testWith(["chromium"], "a pipeline that is still being loaded is waited for", async () => {
  const browser = await browse();
  const execution = inspectedRun(FAILING, { workers: 1 });
  const run = httpRun(execution);
  let loaded = false;
  Object.defineProperty(run, "plan", { get: () => loaded ? execution.plan : undefined });
  const server = await served(() => run);
  try {
    const { page } = await watched(browser);
    const refused = page.waitForResponse((response) => response.status() === 404);
    await page.goto(server.address);
    await refused;
    await page.getByText("Connecting to the executor").waitFor();
    loaded = true;
    await stands(page, "failed");
  } finally {
    await browser.close();
    await Promise.resolve(execution);
    await server.close();
  }
});

testWith(["chromium"], "the next run of an executor takes the place of the one before", async () => {
  const browser = await browse();
  const first = inspectedRun(FAILING, { workers: 1 });
  await first;
  const second = inspectedRun(HELD, { workers: 1 });
  let now = httpRun(first);
  const server = await served(() => now);
  try {
    const { page } = await watched(browser);
    await page.goto(server.address);
    await stands(page, "failed");
    await opensTab(page, "Events");
    now = httpRun(second);
    await page.getByRole("heading", { name: "held-check" }).waitFor();
    await stands(page, "running");
    await hasRow(page, "events", /held \| held/);
    await page.waitForFunction(() => document.querySelector(".wrong")?.hasAttribute("hidden"));
  } finally {
    await browser.close();
    second.cancel("the test is over");
    await Promise.resolve(second);
    await server.close();
  }
});

testWith(
  ["chromium"],
  "when the next run of a timetable begins is said before there is one, and beside it",
  async () => {
    const browser = await browse();
    const execution = inspectedRun(FAILING, { workers: 1 });
    await execution;
    let now: ReturnType<typeof httpRun> | undefined;
    const server = await served(() => now, 0, {
      timetable: () => ({
        pipeline: "failing",
        cron: "0 * * * *",
        timezone: "UTC",
        overlap: "skip",
        missed: "skip",
        next: Date.UTC(2026, 10, 21, 9),
      }),
    });
    try {
      const { page } = await watched(browser);
      await page.goto(server.address);
      await page.getByText(/^next 2026-11-2/).waitFor();
      now = httpRun(execution);
      await stands(page, "failed");
      await page.getByText(/^next 2026-11-2/).waitFor();
    } finally {
      await browser.close();
      await server.close();
    }
  },
);

testWith(["chromium"], "a report is one file that shows the run without a network", async () => {
  const browser = await browse();
  const execution = inspectedRun(FAILING, { workers: 1 });
  await execution;
  const folder = mkdtempSync(join(tmpdir(), "outrider-page-"));
  try {
    execution.store.set("last", '{"seen":"</script>"}');
    execution.events.emit("over", "true");
    const file = join(folder, "run.html");
    writeFileSync(file, [...pageReport(execution)].join(""));
    const { page, said, hosts } = await watched(browser);
    await page.goto(pathToFileURL(file).href);
    await showsFailing(page);
    await page.waitForFunction(() =>
      document.querySelector(".graph .stage")?.getAttribute("data-placed") === "final"
    );
    assert.deepEqual(await accessibilityProblems(page), []);
    assert.deepEqual([said, [...hosts]], [[], []]);
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true });
  }
});

async function showsFailing(page: PageOnRun["page"]): Promise<void> {
  await stands(page, "failed");
  await opensTab(page, "Log");
  await hasRow(page, "log", /info \| good \| good has begun/);
  await page.getByLabel("Only lines of this task").fill("repair");
  await page.waitForFunction(() => document.querySelectorAll("#panel-log .line:not([hidden])").length === 1);
  await opensTab(page, "Store");
  await hasRow(page, "store", /^last \| 1 \| \{"seen":"<\/script>"\}$/);
  await opensTab(page, "Events");
  await hasRow(page, "events", /over \| outside \| true/);
  await opensTab(page, "Tasks");
  await page.locator("#panel-tasks .line", { hasText: "good" }).first().click();
  await page.getByRole("button", { name: "Show value" }).click();
  await page.locator(".detail pre", { hasText: /^42$/ }).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await opensTab(page, "Graph");
}
