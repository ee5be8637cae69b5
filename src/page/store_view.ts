/**
 * Owns the store and the events on the page.
 * Must not know where they come from.
 * Invariant: they are read only while they are looked at; of a long value, only its beginning is held.
 */
import type { Feed, PageEntry, PageEvent } from "./data.ts";
import { h, painter } from "./dom.ts";
import { Grid } from "./grid.ts";
import { timeOfDay } from "../base/shown.ts";
import { brief } from "./words.ts";

/** Most of a value that is held, characters. */
const HELD = 300;
/** Most events that are held. */
const KEPT = 20_000;

/** The store. */
export class StoreView {
  readonly element: HTMLElement;
  readonly #grid: Grid<PageEntry>;
  readonly #feed: Feed;
  readonly #entries: Map<string, PageEntry> = new Map();
  #reading: AbortController | undefined;
  readonly #showSoon: () => void = painter(() => this.#show(), 150);

  constructor(feed: Feed, open: (entry: PageEntry) => void) {
    this.#feed = feed;
    this.#grid = new Grid<PageEntry>({
      id: "store",
      label: "Store",
      columns: ["Key", "Version", "Value"],
      empty: "There is nothing in the store.",
      fill: ({ key, version, text }) => [key, String(version), text ?? ""],
      open,
    });
    this.element = h("div", [this.#grid.element], { class: "pane" });
  }

  set shown(shown: boolean) {
    this.#reading?.abort();
    this.#reading = undefined;
    if (!shown) return;
    this.#entries.clear();
    this.#showSoon();
    this.#reading = new AbortController();
    this.#feed.followStore((entry) => this.#take(entry), this.#reading.signal);
  }

  #take(entry: PageEntry): void {
    if (entry.text === undefined) this.#entries.delete(entry.key);
    else this.#entries.set(entry.key, { ...entry, text: brief(entry.text, HELD) });
    this.#showSoon();
  }

  #show(): void {
    this.#grid.show([...this.#entries.values()].sort((a, b) => a.key < b.key ? -1 : 1));
  }
}

/** The events. */
export class EventsView {
  readonly element: HTMLElement;
  readonly #grid: Grid<PageEvent>;
  readonly #feed: Feed;
  #events: PageEvent[] = [];
  #reading: AbortController | undefined;
  readonly #showSoon: () => void = painter(() => this.#grid.show(this.#events), 150);

  constructor(feed: Feed, open: (event: PageEvent) => void) {
    this.#feed = feed;
    this.#grid = new Grid<PageEvent>({
      id: "events",
      label: "Events",
      columns: ["Time", "Type", "From", "Detail"],
      empty: "No event has been emitted.",
      fill: (
        { at, type, from, detail },
      ) => [timeOfDay(at), type, from?.task ?? "outside", brief(detail ?? "", 2_000)],
      open,
    });
    this.element = h("div", [this.#grid.element], { class: "pane" });
  }

  set shown(shown: boolean) {
    this.#reading?.abort();
    this.#reading = undefined;
    if (!shown) return;
    this.#events = [];
    this.#showSoon();
    this.#reading = new AbortController();
    this.#feed.followEvents((event) => this.#take(event), this.#reading.signal);
  }

  #take(event: PageEvent): void {
    this.#events.push(event);
    if (this.#events.length > KEPT * 1.2) this.#events.splice(0, this.#events.length - KEPT);
    this.#showSoon();
  }
}
