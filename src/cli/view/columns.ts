/**
 * Owns plain tables on the terminal.
 * Must not know what is in them.
 * Invariant: one line for each row, whatever the cells hold.
 */
import { harmless } from "../../base/harmless.ts";
import { pad, width } from "./measures.ts";

/** Rows as text, cells of a column below each other. */
export function columns(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map((cell) => harmless(cell)));
  const widths = (clean[0] ?? []).map((_, at) => Math.max(...clean.map((row) => width(row[at] ?? ""))));
  return clean.map((row) => `${row.map((cell, at) => pad(cell, widths[at]!)).join("  ").trimEnd()}\n`).join(
    "",
  );
}
