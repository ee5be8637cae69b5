/**
 * Owns keeping secrets out of the combined log: a journal before a journal.
 * Must not know what the secrets are.
 * Invariant: no line reaches the journal behind it with a secret in it, also not half of one in each of two lines that were
 * cut out of a long one.
 */
import type { Journal, LogEntry } from "./journal/journal.ts";
import type { RedactionStream, Redactor } from "./redaction.ts";

/** A line this long may have been cut; what follows on the same stream belongs to it. In UTF-16 code units. */
const CUT = 64 * 1024 - 1;

/** The journal, with a log that holds no secrets. */
export function redactingJournal(journal: Journal, redactor: Redactor): Journal {
  if (redactor.idle) return journal;
  const cut = new Map<string, RedactionStream>();
  const textOf = (entry: LogEntry): string => {
    const { text, task, iteration, attempt, stream } = entry;
    if (text.length < CUT && cut.size === 0) return redactor.text(text);
    const key = `${iteration} ${attempt} ${stream} ${task}`;
    const before = cut.get(key);
    if (text.length < CUT) {
      if (before === undefined) return redactor.text(text);
      cut.delete(key);
      return before.push(text) + before.end();
    }
    const going = before ?? redactor.stream();
    cut.set(key, going);
    return going.push(text);
  };
  return {
    append: (event, at) => journal.append(event, at),
    log: (entry) => journal.log({ ...entry, text: textOf(entry) }),
    states: (after, limit, options) => journal.states(after, limit, options),
    logs: (after, limit, options) => journal.logs(after, limit, options),
    watch: (watcher) => journal.watch(watcher),
    ...(journal.commit !== undefined && { commit: () => journal.commit!() }),
    flush: () => journal.flush(),
    close: () => journal.close(),
  };
}
