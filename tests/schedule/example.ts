/** A schedule with names instead of indexes and a story of what happened, for tests that are read as documentation. */
import assert from "node:assert/strict";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import type { Command } from "../../src/schedule/command.ts";
import { Schedule, type Scheduler } from "../../src/schedule/schedule.ts";

const RUN = { module: "data:text/javascript,", export: "x" };

/** The plan of tasks that all run something, but for those with `sync: true`. */
export function planOf(
  tasks: Readonly<Record<string, ManifestTask & { readonly sync?: true }>>,
  options: Partial<Omit<Manifest, "tasks">> = {},
): Plan {
  const running = Object.entries(tasks).map(([name, { sync, ...task }]) =>
    [name, sync ? task : { run: RUN, ...task }] as const
  );
  return compile({ outrider: 1, name: "p", ...options, tasks: Object.fromEntries(running) }, "file:///x/");
}

/** A run that a test leads by hand. */
export class Example {
  readonly plan: Plan;
  readonly schedule: Scheduler;
  /** What was asked for, in words: `b skipped: a failed`, `retry a after 1`, `borrow for a`, `revoke`, `end failed`. */
  readonly told: string[] = [];

  constructor(plan: Plan, schedule?: Scheduler) {
    this.plan = plan;
    this.schedule = schedule ?? new Schedule(plan);
    if (schedule === undefined) this.tell(this.schedule.start());
  }

  /** Takes what is ready for a lane, alone ones first; all that may stand behind it too if `ahead` says so. */
  take(lane = 1, { ahead = false }: { readonly ahead?: boolean } = {}): string[] {
    const alone = this.schedule.takeAlone(lane);
    const max = ahead ? 99 : Math.min(1, this.schedule.readyCount);
    const dispatches = alone !== undefined ? [alone] : this.schedule.release(lane, { max, ready: 1 });
    return dispatches.map(({ task, iteration, attempt }) => {
      const name = this.nameOf(task);
      return name + (iteration > 0 ? ` iteration ${iteration}` : "") +
        (attempt > 1 ? ` attempt ${attempt}` : "");
    });
  }

  /** Everything that is ready, each on a lane of its own. */
  takeAll(): string[] {
    const taken: string[] = [];
    for (let lane = 1;; lane++) {
      const some = this.take(lane);
      if (some.length === 0) return taken;
      taken.push(...some);
    }
  }

  settle(name: string, outcome: Exclude<Outcome, "skipped"> = "succeeded"): void {
    this.tell(this.schedule.settle(this.index(name), outcome));
  }

  /** Takes what is ready and lets it end, until nothing is left: as told, or else with success. */
  goOn(outcomes: Readonly<Record<string, Exclude<Outcome, "skipped">>> = {}): string[] {
    const ran: string[] = [];
    for (let taken = this.take(); taken.length > 0; taken = this.take()) {
      const name = taken[0]!.split(" ")[0]!;
      ran.push(taken[0]!);
      this.settle(name, outcomes[taken[0]!] ?? outcomes[name]);
    }
    return ran;
  }

  /** `ping` of a task, `ping[3]` of an item of one. */
  nameOf(number: number): string {
    const item = this.schedule.itemOf(number);
    return this.plan.tasks[this.schedule.taskOf(number)]!.name + (item === undefined ? "" : `[${item}]`);
  }

  /** Of a task, or of an item of one. */
  index(name: string): number {
    const [, task, item] = /^(.+)\[(\d+)\]$/.exec(name) ?? [];
    if (task !== undefined) return this.schedule.numberOf(this.index(task), Number(item))!;
    return this.plan.tasks.find((task) => task.name === name)?.index ?? assert.fail(`No task ${name}`);
  }

  tell(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type === "revoke" || command.type === "recall") this.told.push(command.type);
      else if (command.type === "end") this.told.push(`end ${command.state}`);
      else if (command.type === "borrow" || command.type === "return") {
        this.told.push(`${command.type} for ${this.nameOf(command.task)}`);
      } else {
        const name = this.nameOf(command.task) +
          (command.iteration > 0 ? ` iteration ${command.iteration}` : "");
        if (command.type === "delay") this.told.push(`retry ${name} after ${command.attempt}`);
        else if (command.type === "decide") this.told.push(`decide ${name}`);
        else if (command.type === "expand") this.told.push(`expand ${name}`);
        else {this.told.push(
            `${name} ${command.type === "gather" ? "gather " : ""}${command.outcome}${
              command.because ? `: ${command.because}` : ""
            }`,
          );}
      }
    }
  }
}
