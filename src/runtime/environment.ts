/**
 * Owns `process.env` within what runs tasks: what one task changes of it is not there for the next one.
 * Must not know attempts, nor whose code it is.
 * Invariant: a look costs nothing where nothing was changed. What a module sets while it is imported stays, since it is
 * imported once.
 */
import nodeModule from "node:module";
import process from "node:process";
import { define } from "./replace.ts";

const { keys, hasOwn } = Object;
const { set, deleteProperty, defineProperty } = Reflect;

/** The thread's own copy, on all three runtimes; in a process, its variables. */
let variables: NodeJS.ProcessEnv = {};
/** It as tasks see it. */
let shown: NodeJS.ProcessEnv | undefined;
/** What of it every task finds. */
let home: Readonly<Record<string, string | undefined>> = {};
let changed = false;
/** What undoes changes that were made past it: `Deno.env` is that of the process. The last comes first. */
let undoing: (() => void)[] = [];

/** Undoes a change together with all others. */
export function undoLater(undo: () => void): void {
  changed = true;
  undoing = [undo, ...undoing];
}

/** Steps into what changes variables. Called once, when all that is ours is set. */
export function watchEnvironment(): void {
  variables = process.env;
  const noting = <Args extends unknown[]>(change: (...args: Args) => boolean) => (...args: Args): boolean => {
    changed = true;
    return change(...args);
  };
  shown = new Proxy<NodeJS.ProcessEnv>(variables, {
    set: noting((target, name, value) => set(target, name, value)),
    deleteProperty: noting(deleteProperty),
    defineProperty: noting(defineProperty),
  });
  define(process, "env", shown);
  (nodeModule as { syncBuiltinESMExports?: () => void }).syncBuiltinESMExports?.();
  changed = true;
  keepEnvironment();
}

/** What there is now is what every task finds from now on. */
export function keepEnvironment(): void {
  if (!changed) return;
  home = { ...variables };
  undoing = [];
  changed = false;
}

/** Undoes what was changed since. */
export function putBackEnvironment(): void {
  if (shown !== undefined && process.env !== shown) define(process, "env", shown);
  if (!changed) return;
  changed = false;
  for (let at = 0; at < undoing.length; at++) undoing[at]!();
  undoing = [];
  const names = keys(variables);
  for (let at = 0; at < names.length; at++) if (!hasOwn(home, names[at]!)) delete variables[names[at]!];
  const kept = keys(home);
  for (let at = 0; at < kept.length; at++) {
    const name = kept[at]!;
    if (variables[name] !== home[name]) variables[name] = home[name];
  }
}
