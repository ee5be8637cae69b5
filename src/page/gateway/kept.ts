/**
 * Owns a run's store and events as its records told them.
 * Must not know where records come from.
 * Invariant: who listens hears first what was told before, then all that follows, once.
 */
import type { StateRecord } from "../../model/record.ts";
import type { PageEntry, PageEvent } from "../data.ts";

/** What is kept of a run beside its tasks. */
export class KeptOfRun {
  readonly #store: Map<string, PageEntry> = new Map();
  readonly #events: PageEvent[] = [];
  readonly #storeTold: Set<(entry: PageEntry) => void> = new Set();
  readonly #eventTold: Set<(event: PageEvent) => void> = new Set();

  /** The JSON text of a key's value. */
  value(key: string): string | undefined {
    return this.#store.get(key)?.text;
  }

  followStore(tell: (entry: PageEntry) => void, signal: AbortSignal): void {
    this.#store.forEach(tell);
    listen(this.#storeTold, tell, signal);
  }

  followEvents(tell: (event: PageEvent) => void, signal: AbortSignal): void {
    this.#events.forEach(tell);
    listen(this.#eventTold, tell, signal);
  }

  /** The run is told anew. */
  clear(): void {
    this.#store.clear();
    this.#events.length = 0;
  }

  /** Takes the next record. */
  add(record: StateRecord): void {
    if (record.type === "store.changed") this.#change(record);
    if (record.type === "event.emitted") this.#emit(record);
  }

  #change(
    { key, version, value, expiresAt }: Extract<StateRecord, { readonly type: "store.changed" }>,
  ): void {
    const entry: PageEntry = {
      key,
      version,
      ...(value !== undefined && { text: value }),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    if (value === undefined) this.#store.delete(key);
    else this.#store.set(key, entry);
    for (const tell of this.#storeTold) tell(entry);
  }

  #emit(
    { id, event: type, at, detail, from }: Extract<StateRecord, { readonly type: "event.emitted" }>,
  ): void {
    const event: PageEvent = {
      id,
      type,
      at,
      ...(detail !== undefined && { detail }),
      ...(from !== undefined && { from }),
    };
    this.#events.push(event);
    for (const tell of this.#eventTold) tell(event);
  }
}

function listen<T>(listeners: Set<(told: T) => void>, tell: (told: T) => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  listeners.add(tell);
  signal.addEventListener("abort", () => listeners.delete(tell));
}
