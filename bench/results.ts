/**
 * Owns what comes together of many processes: the values of each figure on each runtime, ratios to the peers, the file.
 * Must not know how processes are started nor how a table looks.
 * Invariant: every value that was measured is in the file, with what else the machine had to do just before.
 */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import {
  best,
  type Figure,
  figure,
  type Measured,
  median,
  reaches,
  type Target,
  type Unit,
} from "./figure.ts";
import type { Surroundings } from "./surroundings.ts";

/** A figure on one runtime. */
export interface Row {
  readonly runtime: string;
  readonly name: string;
  readonly unit: Unit;
  readonly median: number;
  readonly best: number;
  readonly target?: Target;
  /** Whether the median is what the target asks for. */
  readonly reached?: boolean;
  /** See {@linkcode Figure}. */
  readonly above?: true;
  readonly how: string;
  readonly values: readonly number[];
  /** One for each process. */
  readonly before: readonly Surroundings[];
}

/** Ratios of two figures of the same runtime and session. */
const RATIOS: readonly { readonly of: string; readonly over: string; readonly target?: Target }[] = [
  { of: "chain: whole run per task", over: "chain: piscina", target: { atMost: 0.05 } },
  { of: "chain: whole run per task", over: "chain: tinypool" },
  { of: "independent: tasks a second", over: "independent: piscina", target: { atLeast: 3 } },
  { of: "independent: tasks a second", over: "independent: tinypool" },
];

/** Gathers figures by runtime and name. */
export class Results {
  readonly #rows: Map<string, { readonly runtime: string; figure: Figure; before: Surroundings[] }> =
    new Map();
  readonly versions: Map<string, string> = new Map();
  readonly notes: Set<string> = new Set();

  add(runtime: string, measured: Measured, before: Surroundings): void {
    this.versions.set(runtime, measured.runtime.split(" ")[1] ?? "");
    if (measured.note !== undefined) this.notes.add(`${runtime}: ${measured.note}`);
    for (const next of measured.figures) {
      const key = `${runtime} ${next.name}`;
      const row = this.#rows.get(key);
      if (row === undefined) this.#rows.set(key, { runtime, figure: next, before: [before] });
      else {
        row.figure = figure(next.name, [...row.figure.values, ...next.values], next);
        row.before.push(before);
      }
    }
  }

  /** All figures in the order in which they came, each ratio behind what it is a ratio of. */
  rows(): Row[] {
    const rows: Row[] = [];
    for (const { runtime, figure, before } of this.#rows.values()) rows.push(asRow(runtime, figure, before));
    for (const runtime of this.versions.keys()) {
      for (const { of, over, target } of RATIOS) {
        const [a, b] = [of, over].map((name) => this.#rows.get(`${runtime} ${name}`));
        if (a === undefined || b === undefined) continue;
        const ratio = figure(`${of}, over ${over.split(": ")[1]}`, [
          median(a.figure.values) / median(b.figure.values),
        ], {
          unit: "×",
          how: `median of ${of} over median of ${over}, processes in turn`,
          ...(target === undefined ? {} : { target }),
        });
        rows.splice(
          rows.findLastIndex((row) => row.name.startsWith(of.split(":")[0]!)) + 1,
          0,
          asRow(runtime, ratio, []),
        );
      }
    }
    return rows;
  }

  /** The document that is written to bench/results.json. */
  document(): Record<string, unknown> {
    return {
      date: new Date().toISOString(),
      machine: {
        cpu: cpus()[0]?.model ?? "unknown",
        cores: availableParallelism(),
        memoryMiB: Math.round(totalmem() / 1_048_576),
        system: `${type()} ${release()}`,
      },
      versions: {
        ...Object.fromEntries(this.versions),
        ...Object.fromEntries(["piscina", "tinypool", "comlink"].map((name) => [name, versionOf(name)])),
      },
      notes: [...this.notes],
      figures: this.rows(),
    };
  }
}

function asRow(runtime: string, figure: Figure, before: readonly Surroundings[]): Row {
  const { name, unit, values, target, how, above } = figure;
  const middle = median(values);
  return {
    runtime,
    name,
    unit,
    median: middle,
    best: best(values, unit),
    ...(target === undefined ? {} : { target, reached: above === undefined && reaches(middle, target) }),
    ...(above === undefined ? {} : { above }),
    how,
    values,
    before,
  };
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
