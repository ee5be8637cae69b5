/**
 * Owns `outrider agent`: its options, its signals, and what a person sees of it.
 * Must not know how the agent works.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { signalExitCode } from "../line/context.ts";
import { indented } from "../../base/harmless.ts";
import type { CliContext } from "../line/context.ts";
import type { CarriedEnvironment } from "../../environment/carried_environment.ts";
import { UsageError } from "../line/errors.ts";
import { sayIfFirst } from "../run/first_process.ts";

interface Flags {
  readonly follow?: boolean;
  readonly supervise?: boolean;
  readonly printConfig?: boolean;
}

async function agent(this: CliContext, flags: Flags): Promise<void> {
  const [{ readConfig }, { environmentFile, laidBeneath, missingSecrets }, { environmentHere }, { runtime }] =
    await Promise
      .all([
        import("../../config/config.ts"),
        import("../../config/early.ts"),
        import("../../environment/here.ts"),
        import("../../runtime/runtime.ts"),
      ]);
  const { stdout } = this.runtime;
  const { config, problems: wrong, settings } = await readConfig(this.runtime);
  const here = await environmentHere(runtime, environmentFile(runtime));
  const problems = [
    ...wrong,
    ...missingSecrets(runtime, here?.secrets ?? []).map((name) =>
      `${name}: Missing: the environment ${here!.name} needs this secret, which is never built in`
    ),
  ];
  if (flags.printConfig) {
    const width = Math.max(...settings.map(({ name }) => name.length));
    for (const { name, value, origin } of settings) {
      stdout.write(`${name.padEnd(width)}  ${value ?? "none"}  (${origin})\n`);
    }
  }
  if (config === undefined || problems.length > 0) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    throw new UsageError(
      `The configuration has ${count}:\n${problems.map((each) => `  ${each}`).join("\n")}`,
    );
  }
  if (flags.printConfig) return;
  sayIfFirst(runtime);
  const [{ ANOTHER_WAITS, supervision }, { hasFetched }] = await Promise.all([
    import("../../agent/supervise.ts"),
    import("../run/agents.ts"),
  ]);
  const parent = supervision(runtime);
  const supervises = flags.supervise || !parent.supervised && await hasFetched(runtime, config.stateDir);
  if (!supervises) this.exitCode = await runAgent(config, { follow: flags.follow === true, ...parent, here });
  const another = this.exitCode === ANOTHER_WAITS && !parent.supervised;
  if (supervises || another) {
    this.exitCode = await superviseAgent(config, { ...flags, own: laidBeneath(runtime, here?.env ?? {}) });
  }
}

async function superviseAgent(
  { stateDir }: import("../../config/config.ts").Config,
  { follow, own }: Flags & { readonly own: readonly string[] },
): Promise<number> {
  const [{ childVariables, supervise }, { systemClock }, { runtime }, { startedAgent }] = await Promise.all([
    import("../../agent/supervise.ts"),
    import("../../base/clock.ts"),
    import("../../runtime/runtime.ts"),
    import("../run/agents.ts"),
  ]);
  const args = ["agent", ...(follow ? ["--follow"] : [])];
  return await supervise({
    clock: systemClock,
    random: Math.random,
    start: (lastEnd) => startedAgent({ runtime, stateDir, args, own }, childVariables(lastEnd)),
    onSignal: (listener) => runtime.onSignal(listener),
    reachesChild: (signal) => signal === "SIGINT" && runtime.stderr.isTTY,
    note: (text) => runtime.stderr.write(`outrider · ${indented(text)}\n`),
  });
}

async function runAgent(
  config: import("../../config/config.ts").Config,
  { follow, supervised, lastEnd, here }: {
    readonly follow: boolean;
    readonly supervised: boolean;
    readonly lastEnd: string | undefined;
    readonly here: CarriedEnvironment | undefined;
  },
): Promise<number> {
  const [
    { startAgentHere },
    { runtime },
    { systemClock },
    { VERSION },
    { PlainView },
    { plainPaint },
  ] = await Promise.all([
    import("../../agent/start.ts"),
    import("../../runtime/runtime.ts"),
    import("../../base/clock.ts"),
    import("../../version.ts"),
    import("../view/plain.ts"),
    import("../view/paint.ts"),
  ]);
  const { redacted } = await import("../run/redacted.ts");
  const environments = (await import("../run/environments.ts")).environmentsHere(runtime, config);
  const { span, timeOfDay } = await import("../../base/shown.ts");
  const { stderr } = runtime;
  const level = config.logLevel === "debug" ? "info" : config.logLevel;
  const note = (text: string) =>
    stderr.write(`${timeOfDay(systemClock.now())} outrider · ${indented(text)}\n`);
  if (supervised) {
    runtime.onParentGone(() => {
      note("The supervisor is gone: ending at once; the next start goes on with what runs");
      void runtime.exit(1);
    });
  }
  const started = await startAgentHere(config, {
    runtime,
    follow,
    waits: supervised,
    note,
    version: VERSION,
    lastEnd,
    ...(here?.pipeline !== undefined && { carried: { text: JSON.stringify(here.pipeline) } }),
    ...(here?.requires !== undefined &&
      { requires: { place: "environment.requires", requires: here.requires } }),
    ...(environments && { environments }),
    // Whoever reads a file that stderr goes to has no use for the token, and should not find it.
    page: stderr.isTTY ? (url) => note(`Page: ${url}`) : undefined,
    show: (execution, redactor) => {
      const to = redacted(stderr, redactor);
      const view = new PlainView(execution, {
        out: to,
        err: to,
        paint: plainPaint,
        clock: systemClock,
        time: timeOfDay,
        level,
        quiet: false,
      });
      return () => view.end(summary(execution.snapshot(0)));
    },
  });
  let signals = 0;
  const unlisten = runtime.onSignal((signal) => {
    switch (++signals) {
      case 1:
        note(
          `Stopping by ${signal}: running tasks get up to ${
            span(config.stopGraceMs)
          } to end; again to cancel them`,
        );
        return started.stop(`stopped by ${signal}`, signalExitCode(signal));
      case 2:
        note(
          `Cancelling: running tasks are told to stop, and ended ${
            span(config.killGraceMs)
          } later if they have not; ` +
            "again to leave without waiting for it",
        );
        return started.stop(`stopped by a second ${signal}`);
      default:
        void runtime.exit(signalExitCode(signal));
    }
  });
  try {
    return await started.ended;
  } finally {
    unlisten();
  }
}

function summary(
  { pipeline, state, counts }: {
    readonly pipeline: string;
    readonly state: string;
    readonly counts: Readonly<Record<string, number>>;
  },
): string {
  if (pipeline === "") return "";
  const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([name, count]) =>
    `${count} ${name}`
  );
  return `${pipeline} ${state}: ${parts.join(", ")}\n`;
}

/** Who gives it a file, as they would `outrider run`. */
export const insteadOfArgument: string =
  "let OUTRIDER_PIPELINE name a file that is to be run, and OUTRIDER_STATE_DIR a folder for what outlives a restart";

/** `outrider agent` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: agent,
  parameters: {
    flags: {
      follow: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief:
          "After a run, ask the gateway for the next pipeline (default: one run, then exit with its code)",
      },
      supervise: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Run the agent as a child, and start it again when it dies",
      },
      printConfig: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print each setting and where it comes from, and end",
      },
    },
  },
  docs: {
    brief: "Run what the gateway, or the file beside it, says; report every result",
    fullDescription:
      `Runs on a device: finds its pipeline, runs it, and gets every result and log line to the gateway, however bad the
network. Configured by environment variables alone; docs/configuration.md lists them. While it lives it answers on
127.0.0.1: status, store, events, logs and a page (OUTRIDER_SERVE).

Exit codes: 0 succeeded, 1 the run failed, 2 bad configuration or pipeline, 130 ended by Ctrl-C, 143 by SIGTERM.`,
    customUsage: [
      "[--follow] [--supervise]",
      { input: "--print-config", brief: "print each setting and where it comes from" },
      { input: "--supervise --follow", brief: "for a service that stays" },
    ],
  },
});
