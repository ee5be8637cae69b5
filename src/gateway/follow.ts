/**
 * Owns records as NDJSON, those that are here and, if asked, those to come.
 * Must not know what they hold.
 * Invariant: at most one chunk is held; the stream goes no faster than it is read.
 */
import type { Lane } from "../uplink/port.ts";
import type { Ctx, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import { isComplete } from "./ingest.ts";

const READ = 500;
/** An empty line is sent after this long without a record, so that the line is not taken for dead. */
const ALIVE_MS = 5000;

interface Follow {
  readonly parts: GatewayParts;
  readonly run: string;
  readonly lane: Lane;
}

/** Answers with the records above `since`; with `follow`, until the run is over and all of it is here. */
export function ndjsonOf(c: Ctx, { parts, run, lane }: Follow): Response {
  const since = c.req.query("since") ?? "0";
  if (!/^\d{1,15}$/.test(since)) {
    throw new Refuse(400, "QUERY", `The query has since=${since.slice(0, 50)}: write a whole number from 0`);
  }
  const follow = ["", "1", "true"].includes(c.req.query("follow") ?? "no");
  const lines = linesOf({ parts, run, lane }, { since: Number(since), follow });
  return c.body(lines, 200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
}

function linesOf(
  { parts, run, lane }: Follow,
  { since, follow }: { readonly since: number; readonly follow: boolean },
): ReadableStream<Uint8Array> {
  const { store, bells, clock } = parts;
  const encoder = new TextEncoder();
  const abort = new AbortController();
  let after = since;
  return new ReadableStream({
    async pull(controller) {
      const records = store.records(run, { lane, after, limit: READ });
      if (records.length > 0) {
        after = records.at(-1)!.seq;
        controller.enqueue(encoder.encode(records.map(({ text }) => `${text}\n`).join("")));
        return;
      }
      const row = store.run(run);
      if (!follow || !row || isComplete(row)) return controller.close();
      await bells.wait(`run:${run}`, { clock, ms: ALIVE_MS, signal: abort.signal });
      if (!abort.signal.aborted) controller.enqueue(encoder.encode("\n"));
    },
    cancel() {
      abort.abort();
    },
  });
}
