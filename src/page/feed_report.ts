/**
 * Owns hearing of a run from the file that the page is in.
 * Must not know how anything is shown, nor any network.
 * Invariant: a large file is read in slices; the page can be used while it is.
 */
import type { LogRecord, StateRecord } from "../model/record.ts";
import { LEVELS } from "../model/record.ts";
import type { Feed, FeedSink, LogFilter, PageEntry, PageEvent, PagePipeline } from "./data.ts";
import { Slice, tellWhole } from "./lines.ts";

/** What the file has of the run beside its lines. */
export interface ReportHead {
  readonly run: string;
  readonly runtime: string;
  readonly pipeline: PagePipeline;
}

/** The text of a data block of the document. */
function block(id: string): string {
  return document.getElementById(id)?.textContent ?? "";
}

/** What the document says of a finished run; nothing where it is a live page. */
export function reportHead(): ReportHead | undefined {
  const text = block("outrider-head").trim();
  return text === "" || text === "null" ? undefined : JSON.parse(text) as ReportHead;
}

/** A feed from the document. */
export class ReportFeed implements Feed {
  readonly teller = "executor";
  readonly #head: ReportHead;
  /** By number of the record. */
  readonly #values: Map<number, string> = new Map();
  readonly #events: PageEvent[] = [];
  #read: Promise<void> = Promise.resolve();

  constructor(head: ReportHead) {
    this.#head = head;
  }

  start(sink: FeedSink): void {
    const { run: id, runtime, pipeline } = this.#head;
    sink.begin({ id, runtime }, pipeline);
    sink.link({ state: "report" });
    this.#read = each("outrider-records", (line) => {
      const record = line as StateRecord;
      if (record.type === "attempt.settled" && record.value !== undefined) {
        this.#values.set(record.seq, record.value);
      }
      if (record.type === "event.emitted") this.#keepEvent(record);
      sink.record(record);
    });
  }

  #keepEvent({ id, event: type, at, detail, from }: StateRecord & { readonly type: "event.emitted" }): void {
    this.#events.push({
      id,
      type,
      at,
      ...(detail !== undefined && { detail }),
      ...(from !== undefined && { from }),
    });
  }

  followLog({ task, level }: LogFilter, tell: (record: LogRecord) => void, signal: AbortSignal): void {
    const least = LEVELS.findIndex((each) => each === level);
    void each("outrider-logs", (line) => {
      const record = line as LogRecord;
      const wanted = record.dropped !== undefined ||
        (task === undefined || record.task === task) && LEVELS.indexOf(record.level) >= least;
      if (wanted && !signal.aborted) tell(record);
    });
  }

  followStore(tell: (entry: PageEntry) => void): void {
    void each("outrider-store", (line) => tell(line as PageEntry));
  }

  followEvents(tell: (event: PageEvent) => void): void {
    void this.#read.then(() => this.#events.forEach(tell));
  }

  async value(seq: number): Promise<string | undefined> {
    await this.#read;
    return this.#values.get(seq);
  }

  async storeValue(key: string): Promise<string | undefined> {
    let found: string | undefined;
    await each("outrider-store", (line) => {
      const entry = line as PageEntry;
      if (entry.key === key) found = entry.text;
    });
    return found;
  }
}

async function each(id: string, tell: (line: unknown) => void): Promise<void> {
  await tellWhole(`${block(id)}\n`, new Slice(), tell);
}
