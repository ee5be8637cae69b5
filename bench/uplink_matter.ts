/**
 * Owns what is sent when the uplink is measured: a log as programs write it, records of a run, a heartbeat.
 * Must not know how it is sent.
 * Invariant: the same arguments give the same text; nothing is drawn from an unseeded source.
 */
import type { Journal, LogEntry } from "../src/journal/journal.ts";
import { memoryJournal } from "../src/journal/memory/memory.ts";
import type { Heartbeat } from "../src/protocol/messages.ts";
import { randomFrom } from "./random.ts";

const START = Date.UTC(2026, 10, 21, 16);
const WORDS =
  ("accepted address answer buffer cache channel client closed connection device dropped error failed file flow frame from " +
    "handshake interface latency limit link lost measured memory message neighbour network open packet peer port probe queue " +
    "reading received rejected request retry route sample scan sensor server session signal size slow socket started state " +
    "station stream timeout to traffic transfer value waiting window with").split(" ");
const LEVELS = ["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"];

/** Lines such as a program of the network writes: a time, a level, words, numbers, an address now and then. */
export function* logLines(seed: number): Generator<string> {
  const random = randomFrom(seed);
  const draw = (below: number) => Math.floor(random() * below);
  for (let at = START;; at += 1 + draw(40)) {
    const words = Array.from({ length: 4 + draw(7) }, () => {
      const kind = draw(10);
      if (kind === 0) return `${10 + draw(90)}.${draw(256)}.${draw(256)}.${draw(256)}:${1024 + draw(60_000)}`;
      if (kind < 3) return `${WORDS[draw(WORDS.length)]}=${(random() * 10 ** draw(5)).toFixed(draw(4))}`;
      return WORDS[draw(WORDS.length)]!;
    });
    yield `${new Date(at).toISOString()} ${LEVELS[draw(LEVELS.length)]} [${draw(8)}] ${words.join(" ")}`;
  }
}

/** A line of a task's standard output. */
export function entry(text: string, at: number): LogEntry {
  const origin = { task: `probe-${at % 16}`, iteration: 0, attempt: 1 } as const;
  return { at: START + at, level: "info", from: "task", ...origin, stream: "stdout", text };
}

/** A journal of a run that is over: half of its state records dispatch an attempt, half settle one. */
export function filledJournal(
  run: string,
  { states, logs }: { readonly states: number; readonly logs: number },
): Journal {
  const journal = memoryJournal();
  const random = randomFrom(states + logs);
  journal.append({ type: "run.started", run, pipeline: "bench", runtime: "bench", plan: "" }, START);
  for (let at = 0; at < (states - 2) / 2; at++) {
    const key = { task: `probe-${at}`, iteration: 0, attempt: 1 };
    const [startedAt, endedAt] = [START + at, START + at + 1];
    const value = JSON.stringify({ ms: random() * 100, hops: Math.floor(random() * 30), ok: random() > 0.1 });
    journal.append({ type: "attempt.dispatched", ...key, worker: 1 }, startedAt);
    journal.append(
      { type: "attempt.settled", ...key, outcome: "succeeded", value, startedAt, endedAt, worker: 1 },
      endedAt,
    );
  }
  journal.append({ type: "run.ended", state: "succeeded" }, START + states);
  const lines = logLines(7);
  for (let at = 0; at < logs; at++) journal.log(entry(lines.next().value as string, at));
  return journal;
}

/** A heartbeat of an executor in the midst of a run. */
export function heartbeat(session: string, version: number): Heartbeat {
  const counts = { succeeded: 40 + version, running: 4, ready: 12, waiting: 430 };
  return {
    session,
    version,
    outrider: "0.1.0",
    runtime: "deno 2.9.6",
    experiment: "campus-scan",
    state: "running",
    intervalMs: 10_000,
    run: {
      id: "6f1d4e0a-3f1b-4c55-9f0e-5a2d8c1b7e42",
      pipeline: "campus-scan",
      state: "running",
      tasks: 486,
      counts,
      running: 4,
      names: ["capture-wlan0", "probe-17", "probe-18", "traceroute-3"],
    },
    spool: { state: version % 7, log: version * 13 % 512 },
    load: { cpu: 0.413, memoryBytes: 91_234_304 + version * 4096 },
    sentBytes: 18_211 + version * 611,
    seen: 3,
  };
}
