/**
 * Owns the gateway's page: who is signed in, and whether one run is shown or all there is.
 * Must not know what is shown of either.
 * Invariant: nothing is asked for before somebody is signed in; a token in the address is exchanged at once and gone from it.
 */
import { Refused } from "../asking.ts";
import { h } from "../dom.ts";
import { RunPage } from "../run_page.ts";
import { ask, signedIn, signIn, whenSignedOut } from "./ask.ts";
import { GatewayFeed, type RunTold } from "./feed_gateway.ts";
import { FleetPage } from "./fleet_page.ts";
import { askSignIn, signInAgain } from "./sign_in.ts";

const fragment: string = location.hash.slice(1);
const token: string | undefined = new URLSearchParams(fragment).get("token") ?? undefined;
// Neither a screenshot nor a copied address shows it.
if (token !== undefined) history.replaceState(null, "", location.pathname + location.search);

async function begin(): Promise<void> {
  const who = await signedIn();
  if (who === undefined) return askSignIn(start);
  whenSignedOut(signInAgain);
  const asked = new URLSearchParams(location.search);
  const [run, executor] = [asked.get("run"), asked.get("executor")];
  const tab = token === undefined ? fragment : "";
  if (run !== null) return await showRun(run, tab);
  new FleetPage(who, { tab, ...(executor !== null && { executor }) });
}

async function showRun(run: string, tab: string): Promise<void> {
  const told = await (await ask(`/v1/runs/${encodeURIComponent(run)}`)).json() as RunTold;
  const { executor } = told;
  const above = h("nav", [
    h("a", "‹ All runs", { href: "/#runs" }),
    h("a", executor, {
      href: `/?executor=${encodeURIComponent(executor)}`,
      title: "The executor of this run",
    }),
  ], { class: "above", "aria-label": "Where this is" });
  new RunPage(new GatewayFeed(told), { tab, above });
}

/** Says why nothing can be shown. */
function fail(error: unknown): void {
  const because = error instanceof Refused ? error.message : "The gateway does not answer.";
  document.body.replaceChildren(h("main", [
    h("section", [
      h("h1", "Outrider gateway"),
      h("p", because, { role: "alert" }),
      h("p", [h("a", "All executors and runs", { href: "/" })]),
    ], { class: "failed" }),
  ], { class: "sign" }));
}

function start(): void {
  begin().catch(fail);
}

// In a task of its own, after the one that has read the script.
setTimeout(() => {
  if (token === undefined) return start();
  signIn(token).then(start, (error: Error) => askSignIn(start, error.message));
});
