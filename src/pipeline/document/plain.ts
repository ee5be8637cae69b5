/**
 * Owns the quick look at a task as most are written: whether the schema takes it, without asking the schema.
 * Must not know what is wrong with one: of that only schema.ts has the truth.
 * Invariant: what is plain passes the schema; what is not may pass it all the same.
 */
import { durationProblem, parseDuration } from "../../model/duration.ts";
import { ONS } from "../../model/outcome.ts";
import { kindOf } from "../kinds/list.ts";
import { isRecord, LIMITS } from "./manifest.ts";
import { isPlainName } from "./shapes.ts";

/** Says which tasks are plain. What the one before had is not looked at again. */
export class PlainTasks {
  #run: unknown;
  #limit: unknown;

  has(task: unknown): boolean {
    if (!isRecord(task)) return false;
    for (const key in task) if (!this.#isPlain(key, task[key])) return false;
    return true;
  }

  #isPlain(key: string, value: unknown): boolean {
    switch (key) {
      case "run":
        return value === this.#run || this.#isPlainRun(value);
      case "needs":
        return isPlainNeeds(value);
      case "params":
        return isRecord(value);
      case "timeout":
        return value === this.#limit || this.#isLimit(value);
      case "estimate":
        return isDuration(value);
      case "retry":
        return isPlainRetry(value);
      case "join":
        return value === "all" || value === "any";
      case "allowFailure":
      case "fresh":
        return typeof value === "boolean";
      case "isolation":
        return value === "thread" || value === "process";
      case "onLost":
        return value === "rerun" || value === "fail";
      case "description":
        return typeof value === "string" && value.length <= LIMITS.description;
      default:
        return false;
    }
  }

  #isPlainRun(run: unknown): boolean {
    if (!isRecord(run) || kindOf(run).isPlain?.(run) !== true) return false;
    this.#run = run;
    return true;
  }

  #isLimit(value: unknown): boolean {
    if (!isDuration(value) || parseDuration(value) === 0) return false;
    this.#limit = value;
    return true;
  }
}

function isDuration(value: unknown): value is string | number {
  return (typeof value === "string" || typeof value === "number") && durationProblem(value) === undefined;
}

function isPlainNeeds(needs: unknown): boolean {
  if (!Array.isArray(needs) || needs.length > LIMITS.needsOfTask) return false;
  for (let at = 0; at < needs.length; at++) {
    const need: unknown = needs[at];
    if (!isPlainName(need) && !isPlainNeed(need)) return false;
  }
  return true;
}

function isPlainNeed(need: unknown): boolean {
  if (!isRecord(need) || !isPlainName(need["task"])) return false;
  for (const key in need) {
    const value = need[key];
    if (
      key === "on" ? !ONS.some((on) => on === value) : key === "as" ? !isPlainName(value) : key !== "task"
    ) {
      return false;
    }
  }
  return true;
}

function isPlainRetry(retry: unknown): boolean {
  if (!isRecord(retry)) return false;
  for (const key in retry) {
    const value = retry[key];
    if (
      key === "attempts"
        ? !isAttempts(value)
        : key === "delay" || key === "maxDelay"
        ? !isDuration(value)
        : true
    ) {
      return false;
    }
  }
  return true;
}

function isAttempts(value: unknown): boolean {
  return Number.isInteger(value) && value as number >= 1 && value as number <= LIMITS.attempts;
}
