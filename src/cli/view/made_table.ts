/**
 * Owns how what was built is shown: a line for each file, one for each folder, and what of others is in it.
 * Must not know how anything is built.
 */
import type { MadeFile, MadeRecord } from "../../environment/made.ts";
import { counted } from "../../base/shown.ts";
import { columns } from "./columns.ts";
import { amount } from "./measures.ts";

/** The files, and what they come to. Those of a folder are one line. */
export function madeTable({ files }: MadeRecord): string {
  const rows = new Map<string, MadeFile[]>();
  for (const file of files) {
    const [top = ""] = file.name.split("/");
    const row = rows.get(top);
    if (row === undefined) rows.set(top, [file]);
    else row.push(file);
  }
  const lines = [...rows].map(([top, inside]) => {
    const folder = inside.length > 1 || inside[0]!.name !== top;
    const targets = [...new Set(inside.flatMap(({ target }) => target ?? []))];
    const digest = inside.find((file) => file.digest !== undefined)?.digest;
    return [
      inside[0]!.kind,
      targets.join(" "),
      folder ? `${top}/ (${counted(inside.length, "file")})` : top,
      amount(inside.reduce((sum, { bytes }) => sum + bytes, 0)),
      digest ?? (folder ? "" : `sha256:${inside[0]!.sha256}`),
    ];
  });
  return columns([["kind", "target", "file", "size", "digest"], ...lines]);
}

/** What of others is in it. */
export function usedTable({ used }: MadeRecord): string {
  if (used.length === 0) return "";
  const lines = used.map((
    { name, version, target = "", digest = "", licence = "" },
  ) => [name, version, target, digest.slice(0, 23), licence]);
  return `\n${columns([["of others", "version", "target", "digest", "licence"], ...lines])}`;
}
