/**
 * Owns what a run is made of before anybody knows its pipeline: what is written, what is shared, what came before.
 * Must not know how it is carried out.
 * Invariant: a journal that holds a run already is that run's, and keeps its id.
 */
import type { Journal } from "../journal/journal.ts";
import { memoryJournal } from "../journal/memory/memory.ts";
import { ResultReader } from "../model/result.ts";
import { EventLog } from "../store/events.ts";
import { SharedStore } from "../store/store.ts";
import { Lender } from "./device/lender.ts";
import type { InnerOptions } from "./inspection.ts";
import { type RecordedPast, recordedPast } from "./resume/replay.ts";
import { RunFiles } from "./files/run_files.ts";
import { Stopwatch } from "./stopwatch.ts";
import { realWorld, type World } from "./world.ts";

/** The parts of one run. */
export interface RunParts {
  readonly run: string;
  readonly options: InnerOptions;
  readonly world: World;
  readonly journal: Journal;
  readonly store: SharedStore;
  readonly events: EventLog;
  readonly files: RunFiles;
  readonly results: ResultReader;
  /** What the journal told of the run when it was given. */
  readonly past: RecordedPast | undefined;
  readonly stopwatch: Stopwatch;
  /** The due time that it is for, if it is for one. */
  readonly scheduledFor: number | undefined;
  /** Of resources of the device. */
  readonly lender: Lender;
}

/** Makes the parts of a run. */
export function partsOf(options: InnerOptions): RunParts {
  const { journal = memoryJournal(), world = realWorld } = options;
  const { clock } = world;
  const files = new RunFiles({ runtime: world.runtime, clock, journal, options: options.files });
  const past = options.journal === undefined ? undefined : recordedPast(journal);
  for (const record of past?.records ?? []) files.restore(record);
  const run = past?.run ?? options.run ?? world.newId();
  return {
    run,
    lender: new Lender({ run, world, shares: options.sharesDevice ?? true }),
    options,
    world,
    journal,
    store: new SharedStore({ clock, onChange: (event) => void journal.append(event, clock.now()) }),
    files,
    events: new EventLog({ clock, onChange: (event, at) => void journal.append(event, at) }),
    results: new ResultReader(journal),
    past,
    stopwatch: new Stopwatch(clock, past?.startedAt),
    scheduledFor: past === undefined ? options.scheduledFor : past.scheduledFor,
  };
}
