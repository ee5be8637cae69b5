/**
 * Owns the result document of a run at the gateway: the journal's own fold, over the records that have come.
 * Must not know where they are kept, nor what the fold makes of a record.
 * Invariant: once all records of a run have come, the document is the one that its executor has.
 */
import { type Clock, isoTime } from "../base/clock.ts";
import { gathered } from "../base/reader_stream.ts";
import type { StateRecord } from "../model/record.ts";
import { ResultFold } from "../model/result.ts";
import { readState } from "./records.ts";
import { parsedOr } from "./rows.ts";
import type { GatewayStore, RunRow } from "./store.ts";

const READ = 1000;

/**
 * The result document of a run as JSON, in pieces, or what there is of it so far; bytes are `{"$bytes": "<base64>"}`.
 * A run may have millions of records: between two pages of them others have their turn.
 */
export async function* resultJson(
  row: RunRow,
  { store, clock, gone }: {
    readonly store: GatewayStore;
    readonly clock: Pick<Clock, "after">;
    readonly gone: AbortSignal;
  },
): AsyncGenerator<string, void, undefined> {
  const fold = new ResultFold();
  let tookMs: number | undefined;
  for (let after = 0;;) {
    const records = await store.records(row.run, { lane: "state", after, limit: READ });
    if (records.length === 0) break;
    if (after > 0) await new Promise<void>((next) => clock.after(0, next));
    if (gone.aborted) return;
    for (const { seq, text } of records) {
      after = seq;
      const record = parsedOr(text, undefined);
      // What the fold reads of a record has been checked then.
      const read = readState(record);
      if (typeof read === "string") continue;
      fold.add(record as StateRecord);
      if (read.type === "run.ended") tookMs = read.record.tookMs;
    }
  }
  const { run, pipeline, runtime, state, startedAt, scheduledFor, endedAt } = row;
  const head = {
    run,
    pipeline,
    runtime,
    state,
    startedAt: isoOf(startedAt),
    scheduledFor: isoOf(scheduledFor),
    endedAt: isoOf(endedAt),
    tookMs,
  };
  yield* gathered(fold.json(head));
}

function isoOf(at: number | undefined): string | undefined {
  return at === undefined ? undefined : isoTime(at);
}
