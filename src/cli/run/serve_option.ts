/**
 * Owns `--serve`: the end point of a run on the command line.
 * Must not know what the end point answers, nor how a run is carried out.
 * Invariant: it is closed when the run is over, whatever came of it.
 */
import type { InnerOptions, InspectedExecution } from "../../run/inspection.ts";
import { indented } from "../../base/harmless.ts";
import type { Redactor } from "../../secrets/redactor.ts";
import type { CliRuntime } from "../line/context.ts";
import { operatorSettings, secretsIn } from "../../config/serving.ts";
import { VERSION } from "../../version.ts";

/** What a run gets from its end point: options to start with, and what to hand the execution to. */
export interface ServedRun {
  readonly options: (before: InnerOptions) => InnerOptions;
  readonly keep: <E extends InspectedExecution>(execution: E) => E;
  /** Takes out what is secret; absent: nothing is. */
  readonly redactor: Redactor | undefined;
}

/** Also a run that can't be asked keeps secrets out of its log. */
async function unserved({ env }: CliRuntime): Promise<ServedRun> {
  const keep: ServedRun["keep"] = (execution) => execution;
  const secrets = secretsIn(env);
  if (secrets.length === 0) return { options: (before) => before, keep, redactor: undefined };
  const [{ Redactor }, { redactingJournal }, { memoryJournal }] = await Promise.all([
    import("../../secrets/redactor.ts"),
    import("../../secrets/journal.ts"),
    import("../../journal/memory/memory.ts"),
  ]);
  const redactor = new Redactor(secrets);
  return {
    options: (before) => ({
      ...before,
      journal: redactingJournal(before.journal ?? memoryJournal(), redactor),
    }),
    keep,
    redactor,
  };
}

/**
 * Carries out a run that can be asked while it goes on.
 *
 * @param address Where; absent: it can't be asked.
 * @param carryOut Runs it; resolves to the exit code.
 */
export async function withServing(
  { address, stateDir, runtime }: {
    readonly address: string | undefined;
    readonly stateDir: string | undefined;
    readonly runtime: CliRuntime;
  },
  carryOut: (served: ServedRun) => Promise<number>,
): Promise<number> {
  if (address === undefined) return await carryOut(await unserved(runtime));
  const [{ startServing }, { Redactor }, { systemClock }, { memoryJournal }, real] = await Promise
    .all([
      import("../../serving/serving.ts"),
      import("../../secrets/redactor.ts"),
      import("../../base/clock.ts"),
      import("../../journal/memory/memory.ts"),
      import("../../runtime/runtime.ts"),
    ]);
  const note = (text: string) => runtime.stderr.write(`${indented(text)}\n`);
  const serving = await startServing({
    runtime: real.runtime,
    version: VERSION,
    address,
    operator: operatorSettings(runtime.env),
    redactor: new Redactor(secretsIn(runtime.env)),
    clock: systemClock,
    note,
    ...(stateDir !== undefined && { stateDir }),
  });
  // Whoever reads a file that stderr goes to has no use for the token, and should not find it.
  note(
    runtime.stderr.isTTY && !serving.url.startsWith("unix:")
      ? `Page: ${serving.url}/#token=${serving.token}`
      : `Serving at ${serving.url}`,
  );
  try {
    return await carryOut({
      options: (before) => ({
        ...before,
        journal: serving.journal(before.journal ?? memoryJournal()),
        environment: () => serving.environment(),
      }),
      keep: (execution) => serving.attach(execution),
      redactor: serving.redactor,
    });
  } finally {
    await serving.close();
  }
}
