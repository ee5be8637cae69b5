/**
 * Owns the events of a run: their numbers, which of them are kept, and who waits for one.
 * Must not know who emits or asks, nor where events are recorded.
 * Invariant: numbers run from 1 without gaps; who asks for events that are no longer kept is told how many he missed.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { Queue } from "../base/queue.ts";
import { StoreError } from "./errors.ts";
import { Listeners } from "./listeners.ts";
import { valueText } from "./text.ts";
import { Waits } from "./waits.ts";

/** Limits of the log of events. Sizes in UTF-16 code units. */
export interface EventLimits {
  /** Events kept; beyond it the oldest go. Default 100,000. */
  readonly count: number;
  /** Characters kept, of types and details. Default 64 Mi. */
  readonly size: number;
  /** Longest type. Default 256. */
  readonly type: number;
  /** Longest JSON text of a detail. Default 1 Mi. */
  readonly detail: number;
}

/** The limits when nothing else is said. */
export const EVENT_LIMITS: EventLimits = { count: 100_000, size: 1 << 26, type: 256, detail: 1 << 20 };

/** A page holds no more events once it has this many characters, so that none is too big for a message. */
const PAGE_SIZE = 1 << 22;

/** Names the attempt that emitted an event. */
export interface Emitter {
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
}

/** An event that is kept. */
export interface StoredEvent {
  readonly id: number;
  readonly type: string;
  /** JSON text. */
  readonly detail?: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Absent when the executor emitted it. */
  readonly from?: Emitter;
}

/** An event as the journal records it. */
export interface EventEmitted {
  readonly type: "event.emitted";
  readonly id: number;
  readonly event: string;
  readonly detail?: string;
  readonly from?: Emitter;
}

/** Events after a number. */
export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** All events up to this number have been looked at: ask for those after it next. */
  readonly upTo: number;
  /** Events after `since`, of any type, that are no longer kept. They come before the events of the page. */
  readonly missed: number;
}

/** How a log of events is made. */
export interface EventLogOptions {
  readonly clock?: Clock;
  readonly limits?: Partial<EventLimits>;
  /** Told of every event, before anyone else; `at` is its time. */
  readonly onChange?: (event: EventEmitted, at: number) => void;
}

/** Which events, and how long to wait for them. */
export interface WaitForEvents {
  readonly timeoutMs: number;
  /** Most events to return, 1 to 10,000. Default 256. */
  readonly limit?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The events of a run. Every method throws a `StoreError` where it refuses. */
export class EventLog {
  readonly limits: EventLimits;
  readonly #clock: Clock;
  readonly #onChange: (event: EventEmitted, at: number) => void;
  /** The newest events that are kept. */
  readonly #events: Queue<StoredEvent> = new Queue();
  #last = 0;
  #size = 0;
  readonly #listeners: Listeners<StoredEvent> = new Listeners();
  readonly #waits: Waits;

  constructor(options: EventLogOptions = {}) {
    this.limits = { ...EVENT_LIMITS, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    this.#onChange = options.onChange ?? (() => {});
    this.#waits = new Waits(this.#clock);
  }

  /** The newest number; 0 when there is none. */
  get last(): number {
    return this.#last;
  }

  /** Events and characters that are kept, and waits that are open. */
  stats(): { readonly events: number; readonly size: number; readonly waits: number } {
    return { events: this.#events.length, size: this.#size, waits: this.#waits.size };
  }

  /** Publishes an event; returns its number. */
  emit(type: string, detail?: string, from?: Emitter): number {
    this.#checkType(type);
    const text = detail === undefined ? undefined : valueText(detail, {
      what: () => `The detail of event ${JSON.stringify(type)}`,
      limit: this.limits.detail,
    });
    const rest = { ...(text !== undefined && { detail: text }), ...(from !== undefined && { from }) };
    const event: StoredEvent = { id: this.#last + 1, type, at: Math.floor(this.#clock.now()), ...rest };
    this.#keep(event);
    this.#onChange({ type: "event.emitted", id: event.id, event: type, ...rest }, event.at);
    this.#listeners.tell(type, event);
    return event.id;
  }

  /** Events of the type (`"*"`: of all types) after number `since`, at most `limit` (1 to 10,000, default 256). */
  read(type: string, since: number, limit: number = 256): EventPage {
    checkLimit(limit);
    const kept = this.#last - this.#events.length;
    const missed = Math.max(0, kept - Math.max(0, since));
    const events: StoredEvent[] = [];
    let upTo = Math.max(since, kept);
    for (let size = 0; upTo < this.#last && events.length < limit && size < PAGE_SIZE; upTo++) {
      const event = this.#events.at(upTo - kept);
      if (type !== "*" && event.type !== type) continue;
      events.push(event);
      size += sizeOf(event);
    }
    return { events, upTo, missed };
  }

  /** Like {@linkcode read}, but waits for the first event where there is none yet; an empty page when the time is over. */
  async next(type: string, since: number, options: WaitForEvents): Promise<EventPage> {
    const page = this.read(type, since, options.limit);
    if (page.events.length > 0 || page.missed > 0) return page;
    return await this.#waits.open<EventPage>({
      ...options,
      listen: (found) => this.watch(type, (event) => found({ events: [event], upTo: event.id, missed: 0 })),
      otherwise: () => ({ events: [], upTo: Math.max(page.upTo, this.#last), missed: 0 }),
    });
  }

  /** Calls the listener for every event of the type (`"*"`: all types), until the returned function is called. */
  watch(type: string, listener: (event: StoredEvent) => void): () => void {
    return this.#listeners.add(type === "*" ? undefined : type, listener);
  }

  /** Takes up events recorded earlier, in order, into a log that is still empty. */
  restore(events: Iterable<EventEmitted & { readonly at: number }>): void {
    for (const { id, event, detail, from, at } of events) {
      const rest = { ...(detail !== undefined && { detail }), ...(from !== undefined && { from }) };
      this.#keep({ id, type: event, at, ...rest });
    }
  }

  /** Ends all waits; the events stay. */
  close(): void {
    this.#waits.close();
  }

  #keep(event: StoredEvent): void {
    this.#events.push(event);
    this.#last = event.id;
    this.#size += sizeOf(event);
    while (this.#events.length > this.limits.count || this.#size > this.limits.size) {
      this.#size -= sizeOf(this.#events.shift());
    }
  }

  #checkType(type: string): void {
    const { type: longest } = this.limits;
    if (
      typeof type === "string" && type !== "" && type !== "*" && type.length <= longest && type.isWellFormed()
    ) return;
    const got = typeof type === "string" ? JSON.stringify(type.slice(0, 60)) : typeof type;
    throw new StoreError(
      "BAD_EVENT",
      `An event's type must be a string of 1 to ${longest} characters and not "*": ${got}`,
    );
  }
}

function sizeOf(event: StoredEvent): number {
  return event.type.length + (event.detail?.length ?? 0);
}

function checkLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 10_000) return;
  throw new StoreError("BAD_ARGUMENT", `A page of events has 1 to 10,000 events, not ${limit}`);
}
