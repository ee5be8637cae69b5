/**
 * Owns the start and the end of the process: arguments in, exit code out.
 * Must not know any command, but for one thing: some need a worker, which is started before all else is loaded.
 * Invariant: whatever goes wrong, a person reads what and where, and the exit code says so.
 */
import { askDirectly } from "../base/no_proxy.ts";
import { argumentsHere } from "./line/start.ts";
import { workerFile } from "../pool/worker_file.ts";
import { startEarly } from "../run/prewarm.ts";
import type { ThreadProgram } from "../runtime/port.ts";
import { runtime } from "../runtime/runtime.ts";

/** Commands that look at a pipeline's modules, which only a worker does. */
const NEED_WORKER: readonly string[] = ["run", "check"];
const HELP: readonly string[] = ["--help", "-h"];

if (runtime.isForTasks()) await (await import("../run/task_process.ts")).runTasks(runtime.importUrl);

runtime.ignoreWarnings();
// First of all, before there is a thread or a process that could look.
runtime.hideEnv(runtime.envNames().filter((name) => /^OUTRIDER_(\w+_)?TOKEN$/.test(name)));
runtime.hideArgument("--token");
const args = await argumentsHere(runtime);
// Before any request, and before a worker gets the environment.
askDirectly(runtime);

if (NEED_WORKER.includes(args[0]!) && !args.some((arg) => HELP.includes(arg))) {
  startEarly(await workerProgram());
}
const { commandLine } = await import("./line/command_line.ts");
await runtime.exit(await commandLine(args, runtime));

/** The worker's program, from its file where that can be: then its text is not loaded before the worker starts. */
async function workerProgram(): Promise<ThreadProgram> {
  if (workerFile !== undefined && runtime.startsFrom(workerFile)) return { file: workerFile };
  return { code: (await import("../pool/worker_code.ts")).workerCode };
}
