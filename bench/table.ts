/**
 * Owns how results look to a person.
 */
import type { Target, Unit } from "./figure.ts";
import type { Row } from "./results.ts";

/** One line for each figure, one column for each runtime: median, best of all, whether the target is reached. */
export function table(rows: readonly Row[]): string {
  const runtimes = [...new Set(rows.map((row) => row.runtime))];
  const names = [...new Set(rows.map((row) => row.name))];
  const lines = [["median (best)", "target", ...runtimes]];
  for (const name of names) {
    const of = rows.filter((row) => row.name === name);
    const unit = of[0]!.unit;
    const cells = runtimes.map((runtime) => cell(of.find((row) => row.runtime === runtime)));
    lines.push([`${name} [${unit}]`, wanted(of.find((row) => row.target !== undefined)?.target), ...cells]);
  }
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const texts = lines.map((line) =>
    line.map((text, column) => column < 1 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!))
      .join("  ")
  );
  texts.splice(1, 0, "-".repeat(texts[0]!.length));
  return `${texts.join("\n")}\n`;
}

function cell(row: Row | undefined): string {
  if (row === undefined) return "";
  const value = (row.above ? "> " : "") + short(row.median, row.unit);
  const best = row.values.length > 1 ? ` (${short(row.best, row.unit)})` : "";
  return value + best + (row.reached === undefined ? "  " : row.reached ? " ✓" : " ✗");
}

function wanted(target: Target | undefined): string {
  if (target === undefined) return "";
  return "atMost" in target
    ? `≤ ${target.atMost.toLocaleString("en")}`
    : `≥ ${target.atLeast.toLocaleString("en")}`;
}

function short(value: number, unit: Unit): string {
  if (unit.endsWith("/s") || unit === "bytes") return Math.round(value).toLocaleString("en");
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
