/** The processes of a run that are kept for tasks: how many there are, which gets what, with processes in the test's hand. */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import { KEPT } from "../../src/pool/kinds/list.ts";
import type { KeptKind } from "../../src/pool/kinds/runner.ts";
import { KeptLanes, type KeptSupply } from "../../src/pool/process/kept.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { withEntry } from "../fixtures/kinds/with_kinds.ts";
import { HandClock } from "../store/hand_clock.ts";
import { itemOf } from "./item.ts";
import { type FakeGroup, Processless, settle } from "./processless.ts";

const GROW_MS = 20, IDLE_MS = 10_000, GRACE_MS = 1_000;

/** What a task is: which process it wants, and whether a new one. */
interface Work {
  readonly name: string;
  readonly key: string;
  readonly fresh: boolean;
}

/** What there is to do, first come first served. */
class Supply implements KeptSupply {
  readonly ready: Work[] = [];
  commits = 0;
  /** Whether what is next is gone as soon as somebody wants it. */
  fleeting = false;

  /** `a`, `a:k` for one on processes of `k`, `a!` for one that wants a new process. */
  add(...texts: string[]): void {
    for (const text of texts) {
      const [name, key = "k"] = text.replace("!", "").split(":");
      this.ready.push({ name: name!, key, fresh: text.includes("!") });
    }
  }

  get kept() {
    return [...new Set(this.ready.map(({ key }) => key))].map((key) => {
      const all = this.ready.filter((each) => each.key === key);
      const [next] = all;
      const head = this.ready.indexOf(next!);
      return { kind: "made up", key, head, count: all.length, run: next!, fresh: next!.fresh };
    });
  }

  takeKept(_: number, head: number): { readonly item: LaneItem; readonly task: string } | undefined {
    const [{ name }] = this.ready.splice(head, 1) as [Work];
    if (this.fleeting) return undefined;
    return { item: itemOf(name.charCodeAt(0), { urgent: true }), task: name };
  }

  commit(): void {
    this.commits++;
  }
}

class Rig {
  readonly clock: HandClock = new HandClock();
  readonly world: Processless = new Processless();
  readonly supply: Supply = new Supply();
  readonly heard: string[] = [];
  readonly notes: string[] = [];
  readonly lanes: KeptLanes;
  /** Runners that were opened and closed. */
  readonly runners = { opened: 0, closed: 0 };
  /** By key: why none can be launched. */
  readonly broken: Map<string, Error> = new Map();
  /** By key: what a launch waits for. */
  readonly slow: Map<string, PromiseWithResolvers<void>> = new Map();
  last = 10;

  constructor(base: number, max: number = base) {
    const name = (item: LaneItem) => String.fromCharCode(item.task);
    this.lanes = new KeptLanes({
      ...{ base, max, clock: this.clock, run: "r", killGraceMs: GRACE_MS, environment: () => ({}) },
      runtime: { ...runtime, ...this.world, startGroup: this.world.startGroup },
      note: (text) => void this.notes.push(text),
      services: () => ({}),
      listener: {
        began: (lane, item, since) =>
          void this.heard.push(`began ${name(item)} on ${lane} at ${since - this.clock.now()}`),
        settled: (lane, item, { outcome, error }) =>
          void this.heard.push(`${outcome} ${name(item)} on ${lane}${error ? `: ${error.message}` : ""}`),
        printed: (item, { text }) => void this.heard.push(`${name(item)} printed ${text}`),
        progressed: (lane, item, { fraction }) =>
          void this.heard.push(`${name(item)} progressed ${fraction} on ${lane}`),
        free: () => this.heard.at(-1) === "free" || this.heard.push("free"),
      },
    });
  }

  /** The kind that the tasks are of. */
  get kind(): KeptKind {
    return {
      key: "made up",
      open: () => {
        this.runners.opened++;
        return {
          launch: (run) => {
            const { key } = run as Work;
            const error = this.broken.get(key);
            if (error !== undefined) return Promise.reject(error);
            const launch = { command: [key], cwd: "/", env: {}, setup: {} };
            return (this.slow.get(key)?.promise ?? Promise.resolve()).then(() => launch);
          },
          workOf: (run) => JSON.stringify((run as Work).name),
          close: () => {
            this.runners.closed++;
            return Promise.resolve();
          },
        };
      },
    };
  }

  /** What there is to do is handed out; what was heard of before is forgotten. */
  async feed(...texts: string[]): Promise<void> {
    this.supply.add(...texts);
    this.heard.length = 0;
    this.last = this.lanes.feed(this.supply, this.last);
    await settle();
  }

  get groups(): readonly FakeGroup[] {
    return this.world.groups;
  }

  /** All that were started get ready. */
  async ready(): Promise<void> {
    for (const group of this.groups) {
      if (group.alive && group.signals.length === 0 && !this.#ready.has(group)) group.ready();
      this.#ready.add(group);
    }
    await settle();
  }
  readonly #ready: Set<FakeGroup> = new Set();

  /** Those of which something is left. */
  get alive(): number {
    return this.groups.filter(({ alive }) => alive).length;
  }
}

/** A rig whose kind is known as long as the test goes on. At its end all are closed, and nothing is left. */
async function withRig(base: number, max: number, act: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig(base, max);
  await withEntry(KEPT, rig.kind, async () => {
    await act(rig);
    const closed = rig.lanes.close();
    await settle();
    rig.clock.advance(GRACE_MS);
    await closed;
    assert.deepEqual([rig.alive, rig.runners.opened], [0, rig.runners.closed]);
    rig.clock.advance(10 * IDLE_MS);
    assert.equal(rig.clock.timers, 0);
  });
}

test("kept: as many as there is to do start at once, up to the base, each with a number of its own", () =>
  withRig(3, 3, async (rig) => {
    await rig.feed("a", "b");
    assert.deepEqual([rig.groups.length, rig.last, rig.lanes.starting, rig.lanes.idle], [2, 12, 2, 0]);
    await rig.feed();
    assert.deepEqual([rig.groups.length, rig.last], [2, 12], "they are awaited");
    await rig.feed("c", "d", "e");
    assert.deepEqual([rig.groups.length, rig.last], [3, 13]);
    await rig.ready();
    assert.deepEqual([rig.heard, rig.lanes.starting, rig.lanes.idle], [["free"], 0, 3]);
    await rig.feed();
    assert.deepEqual(rig.heard, ["began a on 11 at 0", "began b on 12 at 0", "began c on 13 at 0"]);
    assert.deepEqual([rig.supply.commits, rig.supply.ready.length, rig.lanes.idle], [3, 2, 0]);
    assert.deepEqual(rig.lanes.views.map(({ id, running }) => [id, running.since]), [
      [11, rig.clock.monotonic()],
      [12, rig.clock.monotonic()],
      [13, rig.clock.monotonic()],
    ]);
    assert.deepEqual(rig.groups[1]!.told("run")[0]!["work"], "b");
    rig.groups[1]!.says("progress", { fraction: 0.5 });
    rig.groups[1]!.prints("stdout", "text\n");
    await rig.groups[1]!.done();
    assert.deepEqual(rig.heard.slice(3), ["b progressed 0.5 on 12", "b printed text", "succeeded b on 12"]);
    await rig.feed();
    assert.deepEqual(rig.heard, ["began d on 12 at 0"]);
    assert.equal(rig.groups.length, 3);
  }));

test("kept: beyond the base they double, up to the most, each time that something has waited", () =>
  withRig(1, 5, async (rig) => {
    await rig.feed("a", "b", "c", "d", "e", "f", "g");
    await rig.ready();
    await rig.feed();
    assert.equal(rig.groups.length, 1);
    for (const count of [2, 4, 5, 5]) {
      rig.clock.advance(GROW_MS - 1);
      assert.ok(!rig.heard.includes("free"));
      rig.clock.advance(1);
      assert.equal(rig.heard.at(-1), "free");
      await rig.feed();
      assert.equal(rig.groups.length, count);
      await rig.feed();
      assert.equal(rig.groups.length, count, "those that start are awaited");
      await rig.ready();
      await rig.feed();
      assert.equal(rig.groups.length, count, "and something waits anew");
    }
    assert.equal(rig.lanes.views.length, 5);
  }));

test("kept: nothing grows for what has not waited, or no longer waits", () =>
  withRig(1, 4, async (rig) => {
    await rig.feed("a", "b");
    await rig.ready();
    await rig.feed();
    rig.clock.advance(GROW_MS);
    await rig.groups[0]!.done();
    await rig.feed();
    assert.deepEqual([rig.heard, rig.groups.length], [["began b on 11 at 0"], 1]);
    // What comes now waits anew.
    await rig.feed("c");
    assert.equal(rig.groups.length, 1);
    rig.clock.advance(GROW_MS);
    await rig.feed();
    assert.equal(rig.groups.length, 2);
  }));

test("kept: those beyond the base that had nothing to do for 10 s end, those of the base stay", () =>
  withRig(1, 4, async (rig) => {
    await rig.feed("a", "b", "c", "d");
    await rig.ready();
    await rig.feed();
    rig.clock.advance(GROW_MS);
    await rig.feed();
    await rig.ready();
    rig.clock.advance(GROW_MS);
    await rig.feed();
    await rig.feed();
    rig.clock.advance(GROW_MS);
    await rig.feed();
    await rig.ready();
    await rig.feed();
    assert.equal(rig.lanes.views.length, 4);
    for (const group of rig.groups.slice(0, 3)) await group.done();
    rig.clock.advance(IDLE_MS - 1);
    await settle();
    const ended = () => rig.groups.map((group) => group.told("end").length);
    assert.deepEqual(ended(), [0, 0, 0, 0]);
    rig.clock.advance(IDLE_MS);
    await settle();
    assert.deepEqual(ended(), [1, 1, 1, 0], "the one that runs something is the base");
    assert.equal(rig.lanes.views.length, 1);
    await rig.groups[3]!.done();
    rig.clock.advance(3 * IDLE_MS);
    assert.deepEqual(ended(), [1, 1, 1, 0]);
    assert.equal(rig.lanes.idle, 1);
  }));

test("kept: a task that wants a new process gets one that has run nothing, and nobody gets it afterwards", () =>
  withRig(2, 2, async (rig) => {
    await rig.feed("a");
    await rig.ready();
    await rig.feed();
    await rig.groups[0]!.done();
    await rig.feed("b!");
    assert.deepEqual([rig.heard, rig.groups.length], [[], 2], "the first one has run something");
    await rig.ready();
    await rig.feed();
    assert.deepEqual(rig.heard, ["began b on 12 at 0"]);
    assert.deepEqual(rig.lanes.views.map(({ id }) => id), [12], "it is still seen");
    await rig.groups[1]!.done();
    assert.equal(rig.groups[1]!.told("end").length, 1);
    await rig.feed("c");
    assert.deepEqual(rig.heard, ["began c on 11 at 0"]);
  }));

test("kept: where there is no room, one that waits for others' tasks makes room", () =>
  withRig(1, 1, async (rig) => {
    await rig.feed("a:x");
    await rig.ready();
    await rig.feed();
    await rig.feed("b:y");
    assert.equal(rig.groups.length, 1, "it is at it");
    await rig.groups[0]!.done();
    await rig.feed();
    assert.deepEqual([rig.groups.length, rig.groups[0]!.told("end").length], [2, 1]);
    assert.deepEqual(rig.groups.map(({ options }) => options.command), [["x"], ["y"]]);
    await rig.feed();
    assert.equal(rig.groups.length, 2);
    await rig.ready();
    await rig.feed();
    assert.deepEqual(rig.heard, ["began b on 12 at 0"]);
  }));

test("kept: what waits for its environment holds up nobody else, and then no more run than may", () =>
  withRig(1, 1, async (rig) => {
    const installed = Promise.withResolvers<void>();
    rig.slow.set("slow", installed);
    await rig.feed("a:slow", "b:slow", "c:k", "d:k");
    await rig.ready();
    await rig.feed();
    assert.deepEqual([rig.heard, rig.groups.length], [["began c on 12 at 0"], 1]);
    rig.clock.advance(GROW_MS);
    await rig.feed();
    assert.equal(rig.lanes.starting, 1, "it is awaited, however long it takes");
    installed.resolve();
    await settle();
    await rig.ready();
    await rig.feed();
    assert.deepEqual([rig.heard, rig.groups.length], [[], 2], "one runs, and that is all that may");
    await rig.groups[0]!.done();
    await rig.feed();
    assert.deepEqual(rig.heard, ["began a on 11 at 0"]);
    await rig.groups[1]!.done();
    await rig.feed();
    assert.deepEqual(rig.heard, ["began b on 11 at 0"]);
    await rig.groups[1]!.done();
    await rig.feed();
    assert.deepEqual(rig.heard, ["began d on 12 at 0"]);
    await rig.groups[0]!.done();
    rig.clock.advance(2 * IDLE_MS);
    await settle();
    assert.equal(rig.lanes.idle, 1, "what is beyond the base ends");
  }));

test("kept: a task for which no process can be started has failed by that, once, and the next one tries again", () =>
  withRig(1, 1, async (rig) => {
    rig.broken.set("k", new Error("There is no such thing"));
    await rig.feed("a");
    assert.deepEqual(rig.heard, ["free"]);
    rig.broken.clear();
    const commits = rig.supply.commits;
    await rig.feed("b");
    assert.deepEqual([rig.heard, rig.supply.commits], [["began a on 12 at 0"], commits + 1], "not at once");
    assert.equal(rig.groups.length, 1, "what is behind it is seen to all the same");
    rig.clock.advance(0);
    assert.deepEqual(rig.heard.at(-1), "failed a on 12: There is no such thing");
    await rig.ready();
    await rig.feed();
    assert.deepEqual([rig.heard, rig.last], [["began b on 13 at 0"], 13]);
  }));

test("kept: what is gone when it is taken is not begun", () =>
  withRig(1, 1, async (rig) => {
    rig.broken.set("k", new Error("no"));
    await rig.feed("a");
    rig.broken.clear();
    rig.supply.fleeting = true;
    await rig.feed();
    await rig.feed("b");
    await rig.ready();
    await rig.feed();
    await rig.feed("c");
    assert.deepEqual([rig.heard, rig.supply.commits, rig.lanes.idle], [[], 0, 1]);
    rig.clock.advance(0);
    assert.deepEqual(rig.heard, []);
  }));

test("kept: a question is answered by a process that is kept then, and is no attempt", () =>
  withRig(1, 1, async (rig) => {
    const answer = rig.lanes.ask({ kind: "made up", key: "k", run: { key: "k", name: "question" } }, 7);
    await settle();
    const [group] = rig.groups;
    await rig.ready();
    assert.deepEqual([group!.told("run")[0]!["work"], group!.told("run")[0]!["given"]], ["question", {
      t: "graph",
    }]);
    group!.prints("stderr", "words\n");
    group!.prints("stdout", " \n");
    assert.deepEqual([rig.lanes.views, rig.notes], [[], ["words", " "]]);
    await group!.done({ value: "5", error: { name: "E", message: "m" } });
    const { outcome, value, because } = await answer;
    assert.deepEqual([outcome, value, because, rig.heard], ["failed", "5", "words", ["free"]]);
    await rig.feed("a");
    assert.deepEqual([rig.heard, rig.groups.length], [["began a on 7 at 0"], 1]);
  }));

test("kept: a question to a process that can't be started, or is stopped, is refused, and breaks nothing else", () =>
  withRig(1, 1, async (rig) => {
    const failing = (answer: Promise<LaneOutcome>) =>
      answer.then(() => assert.fail("it was answered"), (error: Error) => error.message);
    rig.broken.set("k", new Error("There is no such thing"));
    assert.equal(
      await failing(rig.lanes.ask({ kind: "made up", key: "k", run: { key: "k" } }, 7)),
      "There is no such thing",
    );
    rig.broken.clear();
    await rig.feed("a");
    await rig.ready();
    await rig.feed();
    assert.deepEqual(rig.heard, ["began a on 11 at 0"]);
    const stopped = failing(rig.lanes.ask({ kind: "made up", key: "k", run: { key: "k" } }, 8));
    await settle();
    void rig.lanes.close();
    assert.ok((await stopped).length > 0);
    assert.equal(
      await failing(rig.lanes.ask({ kind: "made up", key: "k", run: { key: "k" } }, 9)),
      "The run has ended: no process is started any more",
    );
  }));

test("kept: a cancel stops what runs and nothing else", () =>
  withRig(2, 2, async (rig) => {
    await rig.feed("a", "b!");
    await rig.ready();
    await rig.feed();
    await rig.groups[0]!.done();
    rig.lanes.cancelAll("enough");
    assert.deepEqual(rig.groups.map(({ signals }) => signals), [[], ["SIGTERM"]]);
    await rig.groups[1]!.done({ cancelled: true });
    assert.ok(rig.heard.includes("cancelled b on 12"), rig.heard.join());
  }));

test("kept: a close cancels, ends all, and then closes what they were started by; nothing starts after it", () =>
  withRig(2, 4, async (rig) => {
    await rig.feed("a", "b", "c");
    await rig.ready();
    await rig.feed();
    await rig.groups[1]!.done();
    for (const group of rig.groups) group.dies = false;
    const closed = rig.lanes.close();
    assert.equal(rig.lanes.close(), closed);
    assert.deepEqual(rig.groups.map(({ signals }) => signals), [["SIGTERM", "SIGKILL"], []]);
    assert.equal(rig.groups[1]!.told("end").length, 1);
    rig.groups[0]!.ends({ code: undefined, signal: "SIGKILL" });
    await settle();
    assert.ok(rig.heard.includes("cancelled a on 11"), rig.heard.join());
    assert.equal(rig.runners.closed, 0);
    rig.groups[1]!.ends({ code: 0, signal: undefined });
    await closed;
    assert.equal(rig.runners.closed, 1);
  }));
