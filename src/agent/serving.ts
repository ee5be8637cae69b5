/**
 * Owns the agent's end point: whether and where it is served, and what keeps secrets where it is not.
 * Must not know how the agent works, nor what the routes answer.
 * Invariant: the agent goes on without an end point, unless the operator named an address that can't be had; secrets are
 * kept out of the log either way.
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/message.ts";
import type { Config } from "../config/config.ts";
import type { HttpCondition, HttpGateway, HttpState, HttpTimetable } from "../serving/serving.ts";
import type { InspectedExecution } from "../run/inspection.ts";
import type { Journal } from "../journal/journal.ts";
import { redactingJournal } from "../secrets/journal.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { Runtime } from "../runtime/port.ts";
import type { Serving } from "../serving/serving.ts";
import { ServingError } from "../config/serve_address.ts";

/** What the end point asks of the agent. */
export interface AgentView {
  state(): HttpState;
  /** Why it can't work, if it can't. */
  unable(): string | undefined;
  conditions(): readonly HttpCondition[];
  gateway(): HttpGateway | undefined;
  timetable(): HttpTimetable | undefined;
}

/** What the agent asks of its end point. */
export interface AgentEndPoint {
  /** Takes out what is secret in the run that goes on. */
  readonly redactor: Redactor;
  /** The journal for a run, with a log that holds no secrets. */
  journal(journal: Journal): Journal;
  /** Variables for what tasks start. */
  environment(): Readonly<Record<string, string>>;
  /** From now on it answers for this run. */
  attach<E extends InspectedExecution>(execution: E): E;
  /** Before each run but the first. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

/** What serving needs. */
export interface AgentServingOptions {
  readonly runtime: Runtime;
  /** Outrider's version. */
  readonly version: string;
  readonly clock: Clock;
  /** Takes out what is secret from the start. */
  readonly redactor: Redactor;
  /** Tells a person, in words. */
  readonly note: (text: string) => void;
  /** Told the address of the page, with its token, as each run begins. Default: nobody is. */
  readonly page?: ((url: string) => void) | undefined;
}

/** No end point: only secrets are kept out of the log. */
export function unserved(redactor: Redactor): AgentEndPoint {
  return {
    redactor,
    journal: (journal) => redactingJournal(journal, redactor),
    environment: () => ({}),
    attach: (execution) => execution,
    renew: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** Serves the agent's end point as its configuration says. @throws {ServingError} If a named address can't be had. */
export async function serveAgent(
  config: Config,
  view: AgentView,
  options: AgentServingOptions,
): Promise<AgentEndPoint> {
  const { runtime, version, redactor, clock, note, page } = options;
  const { serve: address, serveToken, serveHosts, executor, stateDir } = config;
  if (address === undefined) return unserved(redactor);
  const { startServing } = await import("../serving/serving.ts");
  try {
    const serving = await startServing({
      runtime,
      version,
      address,
      operator: { token: serveToken, hosts: serveHosts },
      clock,
      note,
      ...(executor !== undefined && { executor }),
      ...(stateDir !== undefined && { stateDir }),
      redactor,
      state: () => view.state(),
      unable: () => view.unable(),
      conditions: () => view.conditions(),
      gateway: () => view.gateway(),
      timetable: () => view.timetable(),
    });
    note(`Serving status, store, events and logs at ${serving.url}`);
    return page === undefined ? serving : withPage(serving, page);
  } catch (error) {
    const why = messageOf(error);
    if (address !== "") throw new ServingError(`OUTRIDER_SERVE: ${why}, or write off`, { cause: error });
    note(`${why}. The agent goes on without its end point: OUTRIDER_SERVE names another address, or off`);
    return unserved(redactor);
  }
}

function withPage(serving: Serving, page: (url: string) => void): AgentEndPoint {
  return {
    get redactor() {
      return serving.redactor;
    },
    journal: (journal) => serving.journal(journal),
    environment: () => serving.environment(),
    attach: (execution) => {
      if (!serving.url.startsWith("unix:")) page(`${serving.url}/#token=${serving.token}`);
      return serving.attach(execution);
    },
    renew: () => serving.renew(),
    close: () => serving.close(),
  };
}
