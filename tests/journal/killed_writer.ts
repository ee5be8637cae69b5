/**
 * Owns a process that writes to a journal until it is killed, and says on stdout what it has written.
 * Must not know when that is.
 * Invariant: a number is on stdout only after the turn in which its record was appended.
 */
import fs from "node:fs";
import process from "node:process";
import { openSqliteJournal } from "../../src/journal/disk/sqlite.ts";
import { entryOf, stateOf } from "./entries.ts";

const journal = await openSqliteJournal(process.argv[2]!, { tailBytes: 20_000, syncMs: 1 });
for (;;) {
  const state = journal.append(stateOf("t"), 0);
  const log = journal.log(entryOf("x"));
  await Promise.resolve();
  fs.writeSync(1, `${state} ${log}\n`);
  if (state % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
