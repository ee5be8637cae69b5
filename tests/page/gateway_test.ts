/**
 * Tests the gateway's page in a real browser, over a real gateway and real devices.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { runtime } from "../../src/runtime/runtime.ts";
import { testWith } from "../system.ts";
import { accessibilityProblems } from "./axe.ts";
import { type SeenGateway, USER, withGateway } from "./gateway_rig.ts";

const MODULE: string = fileURLToPath(new URL("../fixtures/page/tasks.ts", import.meta.url));

function runs(name: string, more: object = {}): object {
  return { run: { module: MODULE, export: name }, ...more };
}

const FAILING = {
  outrider: 1,
  name: "failing",
  onFailure: "continue",
  tasks: {
    good: runs("keeps"),
    bad: runs("fails", { needs: ["good"] }),
    repair: runs("quick", { needs: [{ task: "bad", on: "failure" }] }),
  },
};
const HELD = {
  outrider: 1,
  name: "held-check",
  tasks: { first: runs("quick"), held: runs("held", { needs: ["first"] }) },
};

async function signIn(page: Page): Promise<void> {
  await page.getByLabel("Token").fill(USER);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("tab", { name: "Executors" }).waitFor();
}

function row(page: Page, list: string, text: RegExp) {
  return page.locator(`.grid-${list} .line:not([hidden])`, { hasText: text });
}

/** Waits until the page says that the run stands so. */
async function stands(page: Page, state: string): Promise<void> {
  await page.waitForFunction((wanted) => document.documentElement.dataset["run"] === wanted, state);
}

async function submit(page: Page, pipeline: string, to: string): Promise<void> {
  await page.getByRole("button", { name: "Submit a pipeline" }).click();
  const dialog = page.getByRole("dialog", { name: "Submit a pipeline" });
  await dialog.getByLabel("or as text").fill(pipeline);
  await dialog.getByLabel(/^For:/).fill(to);
  await dialog.getByRole("button", { name: "Submit" }).click();
}

async function allRuns(page: Page): Promise<void> {
  await page.getByRole("link", { name: "All runs" }).click();
  await page.getByRole("tab", { name: "Runs", selected: true }).waitFor();
}

/** Whether anything is wider than the window. */
function overflows(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
}

/** What a page of another origin gets of the gateway by the browser's cookie. */
async function asAnother(page: Page, url: string): Promise<string[]> {
  const asked: [string, string][] = [["GET", "/v1/runs"], ["POST", "/v1/bundles?to=dev-1"]];
  return await page.evaluate(
    ([url, asked]) =>
      Promise.all(
        asked.map(([method, path]) =>
          fetch(url + path, { method, mode: "no-cors", credentials: "include" })
            .then(({ type }) => type, (error) => String(error))
        ),
      ),
    [url, asked] as const,
  );
}

testWith(
  ["chromium"],
  "gateway's page: who signs in submits a pipeline, sees its run, and cancels another",
  () =>
    withGateway(async ({ page, device, store, url }) => {
      device("dev-1");
      await page.getByLabel("Token").fill("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("The gateway knows no such token").waitFor();
      assert.deepEqual(await accessibilityProblems(page), []);
      await signIn(page);
      await row(page, "executors", /^dev-1✓ idle/).waitFor();
      await mistakes(page);

      await submit(page, JSON.stringify(FAILING), "dev-1");
      const done = page.getByRole("dialog", { name: "Submitted" });
      await done.getByText(/^failing is in the queue of dev-1 as q-.* It is next\.$/).waitFor();
      await done.getByRole("button", { name: "Good" }).click();
      await row(page, "handouts", /^failing✗ failed/).waitFor();
      assert.deepEqual(await accessibilityProblems(page), []);

      // What went wrong is found by its count.
      await page.getByRole("group", { name: "Runs by state" }).getByRole("button", { name: /failed/ })
        .click();
      await row(page, "runs", /^failing✗ faileddev-1/).click();
      await stands(page, "failed");
      await seesRun(page);

      await allRuns(page);
      await submit(page, JSON.stringify(HELD), "dev-1");
      await page.getByRole("button", { name: "Good" }).click();
      await row(page, "handouts", /^held-check▶ running/).click();
      await page.getByRole("complementary", { name: "Details" }).getByRole("link", { name: "held-check" })
        .click();
      await stands(page, "running");
      await page.getByRole("tab", { name: "Store" }).click();
      await row(page, "store", /^held\/by1\{"task":"held"/).waitFor();
      await refused(page);
      await page.getByRole("button", { name: "Cancel the run" }).click();
      const ask = page.getByRole("dialog", { name: "Cancel this run?" });
      await ask.getByLabel("Why, for the record").fill("it is late");
      await ask.getByRole("button", { name: "Cancel the run" }).click();
      await stands(page, "cancelled");
      await page.getByText("The run was stopped: it is late").waitFor();

      await foreignPage({ page, url, store });
      await page.goto(url);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Token").waitFor();
      assert.deepEqual((await page.context().cookies()).filter(({ value }) => value !== ""), []);
    }, /status of 40[13]|Failed to load resource/),
);

/** What can't be submitted is said, and what was typed stays. */
async function mistakes(page: Page): Promise<void> {
  await submit(page, "{no json", "dev-1");
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/^The text is no JSON: /).waitFor();
  assert.equal(await dialog.getByLabel("or as text").inputValue(), "{no json");
  const go = dialog.getByRole("button", { name: "Submit" });
  for (
    const [text, says] of [["", /nothing to submit yet/], ["[1]", /neither a bundle/], [
      "{}",
      /neither a bundle/,
    ]] as const
  ) {
    await dialog.getByLabel("or as text").fill(text);
    await go.click();
    await dialog.getByText(says).waitFor();
  }
  assert.deepEqual(await accessibilityProblems(page), []);
  await dialog.getByRole("button", { name: "Leave it" }).click();
  assert.equal(await dialog.count(), 0);
}

/** A refusal is told as the gateway words it, for as long as it refuses; and it is no question for a token. */
async function refused(page: Page): Promise<void> {
  const error = { code: "BUSY", message: "Too much is asked for at once" };
  await page.route(/\/v1\/runs\/[^/]+$/, (route) => route.fulfill({ status: 503, json: { error } }));
  await page.getByText(error.message).waitFor();
  assert.equal(await page.getByText("wants a token").count(), 0);
  await page.unrouteAll();
  await page.getByText(error.message).waitFor({ state: "detached" });
}

/** Graph, tasks, timeline, values and log of a run that is over, as its executor's page has them. */
async function seesRun(page: Page): Promise<void> {
  await page.getByRole("heading", { name: "failing" }).waitFor();
  const graph = page.locator(".stage").first();
  await graph.focus();
  await page.locator(".wrong").getByRole("button", { name: "bad" }).click();
  const detail = page.getByRole("complementary", { name: "Details" });
  await detail.getByText("RangeError: The disk has no <room> left").first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("tab", { name: "Tasks" }).click();
  await row(page, "tasks", /^repair✓ succeeded/).click();
  await detail.getByRole("button", { name: "Show value" }).click();
  await detail.locator("pre", { hasText: "42" }).waitFor();
  // Its needs are known: the graph came with the run.
  await detail.getByRole("button", { name: "bad" }).first().waitFor();
  await row(page, "tasks", /^good✓ succeeded/).click();
  // Files come after everything else.
  await page.waitForFunction(async () => {
    const run = new URLSearchParams(location.search).get("run");
    const { files } = await (await fetch(`/v1/runs/${run}/files`)).json() as { files: { here: boolean }[] };
    return files[0]?.here;
  });
  const saved = page.waitForEvent("download");
  await detail.getByRole("button", { name: "Save first <capture> ä.pcap" }).click();
  assert.equal(readFileSync(await (await saved).path(), "utf8"), "what was captured");
  await page.getByRole("tab", { name: "Timeline" }).click();
  await page.getByText("3 attempts on").waitFor();
  await page.getByRole("tab", { name: "Log" }).click();
  await row(page, "log", /good has begun/).waitFor();
  await page.getByLabel("Only lines of this task").fill("repair");
  await row(page, "log", /good has begun/).waitFor({ state: "detached" });
  await row(page, "log", /repair has begun/).waitFor();
  assert.equal(await page.getByRole("button", { name: "Cancel the run" }).isVisible(), false);
}

/** Another server on the same machine is the same site to a browser, and gets nothing. */
async function foreignPage({ page, url, store }: Pick<SeenGateway, "page" | "url" | "store">): Promise<void> {
  const before = await store.handouts(undefined, 100);
  const html = { headers: { "content-type": "text/html" } };
  const other = await runtime.serve({ fetch: () => new Response("<title>another</title>", html), port: 0 });
  const foreign = await page.context().newPage();
  const answered: string[] = [];
  foreign.on("response", (response) => {
    if (response.url().startsWith(`${url}/`)) {
      answered.push(`${response.request().method()} ${response.status()}`);
    }
  });
  try {
    for (const address of [other.url, other.url.replace("127.0.0.1", "localhost")]) {
      await foreign.goto(address);
      await asAnother(foreign, url);
    }
    assert.deepEqual(answered.map((each) => each.slice(0, -1)).sort(), [
      "GET 40",
      "GET 40",
      "POST 40",
      "POST 40",
    ]);
    assert.ok(answered.includes("POST 403"), "the cookie came along, and was not taken");
  } finally {
    await foreign.close();
    await other.close();
  }
  assert.deepEqual(await store.handouts(undefined, 100), before);
}

testWith(
  ["chromium"],
  "gateway's page: ten thousand executors are counted, searched and reached by keyboard, on a phone too",
  () =>
    withGateway(async ({ page, store, another, url }) => {
      await fleet(store);
      await signIn(page);
      const states = page.getByRole("group", { name: "Executors by state" });
      await states.getByRole("button", { name: "running 100" }).waitFor();
      await states.getByRole("button", { name: "idle 9,900" }).waitFor();
      assert.ok(await page.locator(".line").count() < 200, "rows that are not seen are elements");
      await page.getByLabel("Find executors by id").fill("device-09999");
      await row(page, "executors", /^device-09999/).waitFor();
      await page.getByText("1 of 10,000").waitFor();
      await page.getByLabel("Find executors by id").fill("");
      await states.getByRole("button", { name: "running 100" }).click();
      await page.getByText("100 of 10,000").waitFor();
      await row(page, "executors", /^device-00000▶ runningsurvey/).waitFor();
      await states.getByRole("button", { name: "running 100" }).click();
      assert.deepEqual(await accessibilityProblems(page), []);

      // The last row by keyboard alone, from the top of the page: it is asked for when it is seen.
      await row(page, "executors", /^device-00001/).waitFor();
      await page.reload();
      await row(page, "executors", /^device-00001/).waitFor();
      for (const goal of ["Submit a pipeline", "Executors", "Find executors"]) await tabTo(page, goal);
      await tabTo(page, "^Executors$", "grid");
      await page.keyboard.press("End");
      await row(page, "executors", /^device-09999/).waitFor();
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "device-09999" }).waitFor();
      await page.getByText("roof").first().waitFor();
      await page.keyboard.press("Escape");
      assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("role")), "grid");
      // A dialog keeps the focus, and gives it back.
      await page.getByRole("button", { name: "Submit a pipeline" }).focus();
      await page.keyboard.press("Enter");
      for (let at = 0; at < 9; at++) {
        await page.keyboard.press("Tab");
        assert.ok(
          await page.evaluate(() =>
            document.activeElement === document.body || document.activeElement?.closest("dialog") !== null
          ),
        );
      }
      await page.keyboard.press("Escape");
      assert.equal(
        await page.evaluate(() => document.activeElement?.textContent),
        "Submit a pipeline",
      );

      await sessionOver(page);

      const phone = await another({ width: 390, scheme: "dark" });
      await phone.page.goto(url);
      await row(phone.page, "executors", /^device-00000/).click();
      await phone.page.getByRole("heading", { name: "device-00000" }).waitFor();
      assert.equal(await overflows(phone.page), false, "an executor");
      await phone.page.getByRole("button", { name: "Submit to it" }).click();
      assert.equal(await overflows(phone.page), false, "the dialog");
      assert.deepEqual(await accessibilityProblems(phone.page), []);
      await phone.page.keyboard.press("Escape");
      await phone.page.getByRole("button", { name: "Close" }).click();
      for (const tab of ["Runs", "Submitted", "Executors"]) {
        await phone.page.getByRole("tab", { name: tab }).click();
        assert.equal(await overflows(phone.page), false, tab);
      }
    }, /status of 401/),
);

/** A session that is over in the midst of something costs nothing of it. */
async function sessionOver(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Submit a pipeline" }).click();
  const dialog = page.getByRole("dialog", { name: "Submit a pipeline" });
  await dialog.getByLabel("or as text").fill(JSON.stringify(HELD));
  await dialog.getByLabel(/^For:/).fill("group:roof");
  await page.context().clearCookies();
  const again = page.getByRole("dialog", { name: "Sign in again" });
  await again.getByLabel("Token").fill(USER);
  await again.getByRole("button", { name: "Sign in" }).click();
  await dialog.getByRole("button", { name: "Submit" }).click();
  await page.getByText("It is for 10,000 executors.").waitFor();
  await page.getByRole("button", { name: "Good" }).click();
}

/** Ten thousand executors, a hundred of which run something. */
async function fleet(store: SeenGateway["store"]): Promise<void> {
  await store.atomically(async (store) => {
    for (let at = 0; at < 10_000; at++) {
      const running = at < 100;
      await store.putExecutor({
        id: `device-${String(at).padStart(5, "0")}`,
        firstSeenAt: 1,
        lastSeenAt: 2,
        over: [],
        rival: undefined,
        heartbeat: {
          session: "s",
          version: 1,
          outrider: "0.1.0",
          runtime: "test 1",
          groups: ["roof"],
          state: running ? "running" : "idle",
          spool: { state: 0, log: 0 },
          sentBytes: 0,
          seen: 0,
          ...(running && {
            run: {
              id: `run-${at}`,
              pipeline: "survey",
              state: "running" as const,
              tasks: 1,
              counts: {},
              running: 0,
              names: [],
            },
          }),
        },
      });
    }
  });
}

/** Presses Tab until what has the focus is called so. */
async function tabTo(page: Page, name: string, role?: string): Promise<void> {
  for (let at = 0; at < 30; at++) {
    const is = await page.evaluate(([name, role]) => {
      const { activeElement: at } = document;
      const called = at?.getAttribute("aria-label") ?? at?.textContent ?? "";
      return new RegExp(name!).test(called) && (role === undefined || at?.getAttribute("role") === role);
    }, [name, role] as const);
    if (is) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`no Tab leads to ${name}`);
}
