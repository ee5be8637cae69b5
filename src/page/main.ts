/**
 * Owns the page of an executor: it takes the feed that the document asks for.
 * Must not know what is shown of it.
 */
import { LiveFeed } from "./feed_live.ts";
import { ReportFeed, reportHead } from "./feed_report.ts";
import { RunPage } from "./run_page.ts";

const fragment: string = location.hash.slice(1);
const token: string | undefined = new URLSearchParams(fragment).get("token") ?? undefined;
// Neither a screenshot nor a copied address shows it.
if (token !== undefined) history.replaceState(null, "", location.pathname);
// In a task of its own, after the one that has read the script.
setTimeout(() => {
  const head = reportHead();
  new RunPage(head === undefined ? new LiveFeed(token) : new ReportFeed(head), {
    tab: token === undefined ? fragment : "",
  });
});
