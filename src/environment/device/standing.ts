/**
 * Owns what a device knows of the environments that were fetched onto it: which one it starts, which one it would go back to,
 * which one is on trial; and what becomes of that.
 * Must not know where any of it lies, nor how an environment is found to be well.
 * Invariant: `current` and `previous` have been found well on this device; what is on trial is begun once, and where that was
 * cut off, the device starts what it had before.
 *
 *            put on trial             begun                found well
 *   (none) ───────────────▶ waiting ─────────▶ on trial ─────────────▶ current, and what was that is previous
 *                              │                  │
 *                              └──── given up ────┴──▶ (none)      another start finds it begun, and gives it up
 */
import { readJson } from "../../model/json_text.ts";

/** An environment by the SHA-256 of its file, lower-case hexadecimal. */
export type EnvironmentId = string;

/** What the device knows. What is absent stands for the program that was installed here, and does the starting. */
export interface DeviceStanding {
  readonly current?: EnvironmentId;
  readonly previous?: EnvironmentId;
  readonly trial?: { readonly id: EnvironmentId; readonly begun: boolean };
}

const ID = /^[0-9a-f]{64}$/;

/** Whether a text can be an environment's id. */
export function isEnvironmentId(text: unknown): text is EnvironmentId {
  return typeof text === "string" && ID.test(text);
}

/** How an environment that was placed here stands. */
export function standsOf(
  { current, trial }: DeviceStanding,
  id: EnvironmentId,
): "waiting" | "trying" | "running" | "failed" {
  if (trial?.id === id) return trial.begun ? "trying" : "waiting";
  return current === id ? "running" : "failed";
}

/** What a file says that was written by `standingText`; nothing, if it is damaged: then the installed program is started. */
export function standingIn(text: string): DeviceStanding {
  const value = readJson(text, "").value as
    | {
      readonly outriderDevice?: unknown;
      readonly current?: unknown;
      readonly previous?: unknown;
      readonly trial?: { readonly id?: unknown; readonly begun?: unknown };
    }
    | null
    | undefined;
  if (value?.outriderDevice !== 1) return {};
  const { current, previous, trial } = value;
  return {
    ...(isEnvironmentId(current) && { current }),
    ...(isEnvironmentId(previous) && { previous }),
    ...(isEnvironmentId(trial?.id) && { trial: { id: trial.id, begun: trial.begun !== false } }),
  };
}

/** The text of it. */
export function standingText(standing: DeviceStanding): string {
  return `${JSON.stringify({ outriderDevice: 1, ...standing })}\n`;
}

/** An environment waits for its trial, in the place of any other that did. */
export function putOnTrial({ trial: _, ...rest }: DeviceStanding, id: EnvironmentId): DeviceStanding {
  return id === rest.current ? rest : { ...rest, trial: { id, begun: false } };
}

/** The program is started: what waits for its trial begins it; what was begun before has had it. */
export function begun({ trial, ...rest }: DeviceStanding): DeviceStanding {
  return trial === undefined || trial.begun ? rest : { ...rest, trial: { ...trial, begun: true } };
}

/** What is on trial is well. */
export function foundWell({ current, trial, ...rest }: DeviceStanding): DeviceStanding {
  if (trial === undefined) return { ...rest, ...(current !== undefined && { current }) };
  return { current: trial.id, ...(current !== undefined && { previous: current }) };
}

/** What is on trial, or waits for it, is not taken. */
export function givenUp({ trial: _, ...rest }: DeviceStanding): DeviceStanding {
  return rest;
}

/** What runs can't be started any more: the one before is, and after that what is installed. */
export function withoutCurrent({ previous }: DeviceStanding): DeviceStanding {
  return previous === undefined ? {} : { current: previous };
}
