/**
 * Owns the steps that the two sides of a lane take on the memory between them. All of them are taken by way of this one
 * object, so that a test can come between any two: it has both sides on one thread, and lets them take turns there.
 * Must not know what a cell means.
 * Invariant: nothing but a test puts anything else into it; no task can reach it.
 */
import {
  add,
  and,
  compareExchange,
  exchange,
  load,
  notify,
  or,
  store,
  wait,
} from "../../base/primordials.ts";

/** What both sides do to shared cells, each a function of `Atomics`. */
export interface Atoms {
  load: typeof load;
  store: typeof store;
  add: typeof add;
  and: typeof and;
  or: typeof or;
  exchange: typeof exchange;
  compareExchange: typeof compareExchange;
  notify: typeof notify;
  wait: typeof wait;
}

/** Atomic operations on shared cells. */
export const atoms: Atoms = { load, store, add, and, or, exchange, compareExchange, notify, wait };
