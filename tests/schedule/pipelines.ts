/** Random pipelines for the schedule's properties. */
import fc from "fast-check";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { Deadlock, expected } from "./oracle.ts";

const NAMES = [..."abcdefghij"];

/** What a random task is made of; needs are places before its own. */
interface Drawn {
  readonly needs: readonly {
    readonly back: number;
    readonly on: "success" | "failure" | "any" | undefined;
  }[];
  readonly join: "all" | "any";
  readonly attempts: number;
  readonly runs: boolean;
  readonly allowFailure: boolean;
  readonly fresh: boolean;
  readonly onLost: "rerun" | "fail";
  /** Whether it has a condition, where a need can have a value. */
  readonly asks: boolean;
  readonly uses: Uses;
}

type Uses = Readonly<Partial<Record<keyof typeof RESOURCES, number>>>;

/** What the tasks of random plans share. */
const RESOURCES = { one: 1, two: 2, device: { capacity: 2, scope: "device" } } as const;
const USES: readonly Uses[] = [
  ...Array<Uses>(9).fill({}),
  ...[{ one: 1 }, { one: 1, two: 1 }, { two: 2 }, { two: 1 }, { two: 1, device: 1 }, { device: 2 }],
];

const task: fc.Arbitrary<Drawn> = fc.record({
  needs: fc.array(
    fc.record({
      back: fc.nat(4),
      on: fc.constantFrom(undefined, undefined, undefined, "success", "failure", "any"),
    }),
    { maxLength: 3 },
  ),
  join: fc.constantFrom("all", "all", "any"),
  attempts: fc.constantFrom(1, 1, 1, 2, 3),
  runs: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  allowFailure: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
  fresh: fc.integer({ min: 0, max: 7 }).map((n) => n === 7),
  onLost: fc.constantFrom("rerun", "rerun", "rerun", "fail"),
  asks: fc.integer({ min: 0, max: 3 }).map((n) => n === 3),
  uses: fc.constantFrom(...USES),
});

const loop = fc.record({
  from: fc.nat(9),
  back: fc.nat(6),
  times: fc.integer({ min: 1, max: 2 }),
  on: fc.constantFrom("success", "success", "any", "failure"),
});

/** Plans of up to ten tasks with every feature that the schedule knows. */
export function plans(onFailure?: "stop" | "continue"): fc.Arbitrary<Plan> {
  return fc.record({
    tasks: fc.array(task, { minLength: 1, maxLength: NAMES.length }),
    loops: fc.array(loop, { maxLength: 4 }),
    onFailure: onFailure === undefined ? fc.constantFrom("stop", "continue") : fc.constant(onFailure),
  }).map(({ tasks, loops, onFailure }) => {
    const manifest = {
      outrider: 1,
      name: "p",
      onFailure,
      resources: RESOURCES,
      tasks: Object.fromEntries(tasks.map((drawn, at) => [NAMES[at], manifestTask(drawn, at)])),
    };
    const kept: unknown[] = [];
    // Loops that are open or overlap are refused; the others stay.
    for (const { from, back, times, on } of loops) {
      const [last, first] = [from % tasks.length, Math.max(0, from % tasks.length - back)];
      const more = [...kept, { from: NAMES[last], to: NAMES[first], times, on }];
      if (planOf({ ...manifest, loops: more }) !== undefined) kept.splice(0, kept.length, ...more);
    }
    return planOf({ ...manifest, loops: kept })!;
  });
}

/** A random plan, drawn in a tenth of the time: where there are to be very many. */
export function drawnPlan(roll: (sides: number) => number): Plan {
  const some = <T>(...choices: readonly T[]): T => choices[roll(choices.length)]!;
  const count = 1 + roll(NAMES.length);
  const tasks = Array.from({ length: count }, (_, at): [string, unknown] => [
    NAMES[at]!,
    manifestTask({
      needs: Array.from({ length: roll(4) }, () => ({
        back: roll(5),
        on: some(undefined, undefined, undefined, "success", "failure", "any"),
      })),
      join: some("all", "all", "any"),
      attempts: some(1, 1, 1, 2, 3),
      runs: roll(10) > 0,
      allowFailure: roll(6) === 0,
      fresh: roll(8) === 0,
      onLost: some("rerun", "rerun", "rerun", "fail"),
      asks: roll(4) === 0,
      uses: some(...USES),
    }, at),
  ]);
  const manifest = {
    outrider: 1,
    name: "p",
    onFailure: some("stop", "continue"),
    resources: RESOURCES,
    tasks: Object.fromEntries(tasks),
  };
  if (roll(4) > 0) return compile(manifest, "file:///x/");
  const last = roll(count);
  const loop = {
    from: NAMES[last],
    to: NAMES[Math.max(0, last - roll(7))],
    times: 1 + roll(2),
    on: some("success", "success", "any", "failure"),
  };
  return planOf({ ...manifest, loops: [loop] }) ?? compile(manifest, "file:///x/");
}

function manifestTask({ needs, attempts, runs, asks, uses, ...options }: Drawn, at: number): unknown {
  const named = new Map(
    at === 0 ? [] : needs.map(({ back, on }) => [NAMES[Math.max(0, at - 1 - back)]!, on] as const),
  );
  const asked = [...named].find(([, on]) => on !== "failure")?.[0];
  return {
    ...options,
    ...(asks && asked !== undefined ? { when: { task: asked, exists: true } } : {}),
    ...(runs ? { uses, run: { module: "data:text/javascript,", export: "x" } } : {}),
    retry: { attempts },
    needs: [...named].map(([task, on]) => on === undefined ? task : { task, on }),
  };
}

function planOf(manifest: unknown): Plan | undefined {
  try {
    const plan = compile(manifest, "file:///x/");
    expected(plan, () => "succeeded");
    return plan;
  } catch (error) {
    if (error instanceof Deadlock || (error as { code?: string }).code === "OUTRIDER_PIPELINE") {
      return undefined;
    }
    throw error;
  }
}
