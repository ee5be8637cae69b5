/**
 * Owns modules that the runtime has built in and that are loaded when they are first wanted: each takes a millisecond or
 * some, which a program that does not want it saves at its start.
 * Must not know what they are wanted for.
 * Invariant: nothing is loaded before it is asked for, and what is given is the module as the runtime has it.
 */
import process from "node:process";

interface Builtins {
  getBuiltinModule(name: "child_process"): typeof import("node:child_process");
  getBuiltinModule(name: "fs/promises"): typeof import("node:fs/promises");
  getBuiltinModule(name: "net"): typeof import("node:net");
  getBuiltinModule(name: "v8"): typeof import("node:v8");
  getBuiltinModule(name: "vm"): typeof import("node:vm");
}

const builtins = process as unknown as Builtins;

/** `node:child_process`. */
export const childProcess = (): typeof import("node:child_process") =>
  builtins.getBuiltinModule("child_process");

/** `node:fs/promises`: on Deno it takes as long to load as half of a run. */
export const promises = (): typeof import("node:fs/promises") => builtins.getBuiltinModule("fs/promises");

/** `node:net`. */
export const net = (): typeof import("node:net") => builtins.getBuiltinModule("net");

/** `node:v8`. */
export const v8 = (): typeof import("node:v8") => builtins.getBuiltinModule("v8");

/** `node:vm`. */
export const vm = (): typeof import("node:vm") => builtins.getBuiltinModule("vm");
