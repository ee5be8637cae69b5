/**
 * Owns the list of commands. To add one: a file `NAME.ts` that exports a `command`, and a line here.
 * Must not know what a command takes or does; its file is loaded only when it is asked for.
 */
import type { Command, RouteMap } from "@stricli/core";
import type { CliContext } from "../line/context.ts";

/** What a command's file exports. */
export interface CommandFile {
  readonly command: Command<CliContext> | RouteMap<CliContext>;
  /** What to do instead, for who gives it an argument too many. */
  readonly insteadOfArgument?: string;
}

/** A command as the list of commands shows it. */
export interface CommandEntry {
  /** One line for `outrider --help`. */
  readonly brief: string;
  load(): Promise<CommandFile>;
}

/** All commands, in the order in which help shows them. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  run: {
    brief: "Run a pipeline and show its progress, its log and its outcomes",
    load: () => import("./run.ts"),
  },
  check: {
    brief: "Check a pipeline and report every problem with its place",
    load: () => import("./check.ts"),
  },
  graph: {
    brief: "Print a pipeline as a Mermaid, DOT, JSON or SVG graph",
    load: () => import("./graph.ts"),
  },
  import: {
    brief: "Turn a file of another system into a pipeline",
    load: () => import("./import.ts"),
  },
  status: {
    brief: "Show how an executor on this machine and its run stand",
    load: () => import("./status.ts"),
  },
  store: {
    brief: "Read, write and watch the store of a run on this machine",
    load: () => import("./store.ts"),
  },
  bundle: {
    brief: "Write a pipeline and the code of its tasks as one file that runs anywhere",
    load: () => import("./bundle.ts"),
  },
  key: {
    brief: "Make keys that sign bundles and environments, and show public ones",
    load: () => import("./key.ts"),
  },
  environment: {
    brief: "Make environments for devices: executables, scripts, images, virtual machines",
    load: () => import("./environment.ts"),
  },
  agent: {
    brief: "Run what the gateway, or the file beside it, says; report every result",
    load: () => import("./agent.ts"),
  },
  gateway: {
    brief: "Serve a reference gateway: hand out pipelines, take results and logs",
    load: () => import("./gateway.ts"),
  },
  fleet: {
    brief: "Set up NATS servers for a fleet of devices, and look at it",
    load: () => import("./fleet.ts"),
  },
  submit: {
    brief: "Hand a pipeline to the gateway, for an executor or a group",
    load: () => import("./submit.ts"),
  },
  executors: {
    brief: "List the executors that the gateway knows, and what each is doing",
    load: () => import("./executors.ts"),
  },
  files: {
    brief: "List the files that the tasks of a run have kept, and save one",
    load: () => import("./files.ts"),
  },
  results: {
    brief: "List the runs that the gateway knows, or print the result of one",
    load: () => import("./results.ts"),
  },
  logs: {
    brief: "Print the log of a run, and follow it",
    load: () => import("./logs.ts"),
  },
  cancel: {
    brief: "Cancel a run on its executor",
    load: () => import("./cancel.ts"),
  },
  completion: {
    brief: "Print what makes a shell complete commands and options",
    load: () => import("./completion.ts"),
  },
};
