/**
 * Owns the way from arguments to an exit code: finds the command, has its arguments parsed, runs it.
 * Must not know what a command does.
 * Invariant: it never rejects; only the file of the command that is asked for is loaded.
 */
import { buildApplication, buildCommand, buildRouteMap, ExitCode, run, text_en } from "@stricli/core";
import type { Application, ApplicationText, Command, StricliProcess } from "@stricli/core";
import { indented } from "../../base/harmless.ts";
import { commands } from "../commands/list.ts";
import type { CommandEntry } from "../commands/list.ts";
import { EXIT } from "./context.ts";
import type { CliContext, CliRuntime } from "./context.ts";
import { tell } from "./errors.ts";
import { type CommandRoute, helpColumns, withHelp } from "./help.ts";
import { proposals, PROPOSE } from "./proposals.ts";
import { text } from "./text.ts";
import { VERSION } from "../../version.ts";

/**
 * Runs the command that the arguments name.
 *
 * @param args Arguments after the program's name.
 * @param runtime Where to run it.
 * @returns The exit code.
 */
export async function commandLine(args: readonly string[], runtime: CliRuntime): Promise<number> {
  const stop = runtime.onUncaught((error) => {
    // A view that is open hears of it too, and gives the terminal back before the words come.
    queueMicrotask(() => {
      runtime.stderr.write(tell(error, { args, runtime }).text);
      void runtime.exit(EXIT.defect);
    });
  });
  try {
    if (entryOf(args[0]) !== undefined) await sayMisspelt(runtime);
    return await dispatch(args, runtime);
  } catch (error) {
    const { text, code } = tell(error, { args, runtime });
    runtime.stderr.write(text);
    return code;
  } finally {
    stop();
  }
}

/** Variables that look like ours and are none: each is ignored, and that is said. */
async function sayMisspelt({ envNames, stderr }: CliRuntime): Promise<void> {
  const names = envNames().filter((name) => /^(?:OUTRIDER|NETUNICORN)_/i.test(name));
  if (names.length === 0) return;
  const { misspelt } = await import("../../config/known.ts");
  for (const line of await misspelt(names)) stderr.write(`outrider · ${indented(line)}\n`);
}

async function dispatch(args: readonly string[], runtime: CliRuntime): Promise<number> {
  const { stdout, stderr } = runtime;
  if (args[0] === "completion" && args[1] === PROPOSE) return await propose(args.slice(2), runtime);
  const routes = await routesOf(args[0] === "help" ? args[1] : args[0]);
  const bare = args.length === 0 || args.length === 1 && isRouteMap(routes[args[0]!]);
  // Help that nobody asked for goes to stderr, so that a script that forgot an argument neither reads it nor goes on.
  const process: StricliProcess = { stdout: bare ? stderr : stdout, stderr };
  const context: CliContext & { readonly process: StricliProcess } = { process, runtime, exitCode: EXIT.ok };
  const told = (error: unknown): string => {
    const { text, code } = tell(error, { args, runtime });
    context.exitCode = code;
    return text.trimEnd();
  };
  const entry = entryOf(args[0]);
  const known = entry === undefined ? undefined : args[0];
  const instead = (await entry?.load())?.insteadOfArgument;
  const app = application(
    routes,
    text({ command: known, instead, holdsCommands: isRouteMap(routes[known ?? ""]), args }, told),
    helpColumns(bare ? stderr : stdout),
  );
  await run(
    app,
    bare ? [...args, "--help"] : args[0] === "help" ? [...args.slice(1), "--help"] : args,
    context,
  );
  if (bare) return EXIT.usage;
  if (context.exitCode !== EXIT.ok || process.exitCode === ExitCode.Success) return context.exitCode;
  const usage = process.exitCode === ExitCode.UnknownCommand || process.exitCode === ExitCode.InvalidArgument;
  return usage ? EXIT.usage : EXIT.defect;
}

function entryOf(name: string | undefined): CommandEntry | undefined {
  return name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
}

/** Answers a shell that asks what can be typed next. */
async function propose(words: readonly string[], runtime: CliRuntime): Promise<number> {
  const { stdout, stderr } = runtime;
  const routes = await routesFor(words[0] === "help" ? words[1] : words[0]);
  const context: CliContext = { process: { stdout, stderr }, runtime, exitCode: EXIT.ok };
  stdout.write(await proposals(application(routes, text_en, helpColumns(stdout)), words, context));
  return EXIT.ok;
}

/** The command asked for, alone: the library looks at all that it is given. Without one, all by their name and brief. */
async function routesOf(name: string | undefined): Promise<Readonly<Record<string, CommandRoute>>> {
  const entry = entryOf(name);
  return entry === undefined ? await routesFor(name) : { [name!]: (await entry.load()).command };
}

/** The command asked for as it is, all others by their name and brief alone. */
async function routesFor(name: string | undefined): Promise<Readonly<Record<string, CommandRoute>>> {
  const routes: Record<string, CommandRoute> = {};
  for (const [each, entry] of Object.entries(commands)) {
    routes[each] = each === name ? (await entry.load()).command : placeholder(entry);
  }
  return routes;
}

function isRouteMap(route: CommandRoute | undefined): boolean {
  return route !== undefined && "getAllEntries" in route;
}

function application(
  routes: Readonly<Record<string, CommandRoute>>,
  text: ApplicationText,
  columns: number,
): Application<CliContext> {
  const root = buildRouteMap<string, CliContext>({
    routes: Object.fromEntries(
      Object.entries(routes).map(([name, route]) => [name, withHelp(route, columns)]),
    ),
    docs: {
      brief: "Runs pipelines of tasks on workers, on Deno, Node and Bun",
      fullDescription: DESCRIPTION,
    },
  });
  return buildApplication(withHelp(root, columns), {
    name: "outrider",
    versionInfo: { currentVersion: VERSION },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { onlyRequiredInUsageLine: true, disableAnsiColor: true },
    localization: { text },
  });
}

function placeholder(entry: CommandEntry): Command<CliContext> {
  return buildCommand<Record<never, never>, [], CliContext>({
    func: () => {},
    parameters: {},
    docs: { brief: entry.brief },
  });
}

const DESCRIPTION = `Outrider runs pipelines of tasks on workers, on Deno, Node and Bun.

  outrider run pipeline.ts                       run a pipeline written in TypeScript
  outrider run pipeline.json --param ms=50       run one written in JSON, with a parameter
  outrider run pipeline.ts --json > result.json  keep the result, watch on stderr
  outrider check pipeline.ts                     find every problem without running anything
  outrider graph pipeline.ts -o pipeline.mmd     draw it
  outrider run --help                            all options of a command

Exit codes: 0 succeeded, 1 the run failed, 2 bad usage or pipeline, 70 a defect of Outrider, 128+n ended by signal n.`;
