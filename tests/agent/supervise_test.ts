/** Holds a supervisor to what it does with an agent that ends, and with an environment that is on trial. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { ANOTHER_WAITS, type StartedAgent, supervise, type Trial } from "../../src/agent/supervise.ts";
import { isWell } from "../../src/agent/trial.ts";
import type { Child, ChildEnd } from "../../src/runtime/port.ts";
import { runCli, withFiles } from "../rig.ts";
import { Activity, drive, HandClock } from "../uplink/rig.ts";

/** A child in the test's hand. */
class HandChild implements Child {
  readonly pid = 1;
  readonly kills: string[] = [];
  readonly ended: Promise<ChildEnd>;
  #end!: (end: ChildEnd) => void;

  constructor() {
    this.ended = new Promise((end) => this.#end = end);
  }

  /** @param how A code, a signal, or why it could not be started. */
  end(how: number | string | Error): void {
    const [code, signal] = [
      typeof how === "number" ? how : undefined,
      typeof how === "string" ? how : undefined,
    ];
    this.#end({ code, signal, ...(how instanceof Error && { error: how }) });
  }

  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    this.kills.push(signal);
    if (signal !== "SIGTERM" || this.obeys) this.end(signal);
  }

  obeys = true;
}

/** A trial that says what was asked of it. */
function trial(did: string[], well: Trial["isWell"], { mayEnd = true, reached = true } = {}): Trial {
  return {
    mayEnd,
    reached: () => Promise.resolve(reached),
    name: "two",
    isWell: well,
    keep: () => Promise.resolve(void did.push("kept")),
    giveUp: () => Promise.resolve(void did.push("given up")),
  };
}

/** What is started, one after the other: each is told of its start, and ends as it likes. */
async function supervised(
  starts: readonly ((child: HandChild, did: string[]) => Partial<StartedAgent> | void)[],
): Promise<{ code: number; did: string[]; ms: number; children: HandChild[] }> {
  const [clock, activity, did] = [new HandClock(), new Activity(), [] as string[]];
  const children: HandChild[] = [];
  const begun = clock.monotonic();
  let signal: (signal: "SIGINT" | "SIGTERM") => void = () => {};
  const ended = supervise({
    clock,
    random: () => 0.5,
    start: () => {
      const child = new HandChild();
      children.push(child);
      did.push(`start ${children.length}`);
      const more = starts[children.length - 1]!(child, did) ?? {};
      if (did.includes("stop")) queueMicrotask(() => signal("SIGTERM"));
      return Promise.resolve({ child, ...more });
    },
    onSignal: (listener) => {
      signal = listener;
      return () => {};
    },
    reachesChild: () => false,
    note: (text) => void did.push(text),
  });
  const code = await drive(ended, { clock, activity });
  return { code, did: did.filter((each) => each !== "stop"), ms: clock.monotonic() - begun, children };
}

const well = () => Promise.resolve(true);
/** Not well until the trial is over. */
const waiting = (_: Child, signal: AbortSignal) =>
  new Promise<boolean>((settle) => signal.addEventListener("abort", () => settle(false)));

test("a supervisor takes 0, 1 and 2 for final, and starts all else again, the later the more often", async () => {
  for (const code of [0, 1, 2]) assert.equal((await supervised([(child) => child.end(code)])).code, code);
  const again = await supervised([
    (child) => child.end(70),
    (child) => child.end("SIGKILL"),
    (child) => child.end(2),
  ]);
  assert.equal(again.code, 2);
  assert.match(
    again.did.join("; "),
    /^start 1; The agent ended with code 70: .*; start 2; The agent was ended by SIGKILL/,
  );
  assert.ok(again.ms >= 2_000, `${again.ms} ms`);
});

test("what is on trial, and has not reached the gateway, gives way: in time, or over with the code 0", async () => {
  const [late, over] = [() => Promise.resolve(false), waiting];
  for (const isWell of [late, over]) {
    const { did } = await supervised([
      (child, did) => {
        if (isWell === over) setTimeout(() => child.end(0), 1);
        return { trial: trial(did, isWell, { reached: false }) };
      },
      (child) => child.end(0),
    ]);
    assert.deepEqual(did.slice(1), [
      "The environment two is on trial",
      "given up",
      "The environment two has not reached the gateway, which what was there before did: what was there before is started again",
      "start 2",
    ]);
  }
});

test("an agent that has put another environment on trial is followed by that at once", async () => {
  const { code, did, ms } = await supervised([
    (child) => child.end(ANOTHER_WAITS),
    (child, did) => {
      setTimeout(() => child.end(0), 1);
      return { trial: trial(did, well) };
    },
  ]);
  assert.deepEqual([code, ms], [0, 0]);
  assert.deepEqual(did, [
    "start 1",
    "ended since another environment is to be tried",
    "start 2",
    "The environment two is on trial",
    "kept",
    "The environment two is well, and stays",
  ]);
});

test("an environment that ends in its trial is given up, and the one before is started at once", async () => {
  for (const how of [1, 2, 70, "SIGSEGV", new Error("no such machine")]) {
    const { code, did, ms } = await supervised([
      (child, did) => {
        child.end(how);
        return { trial: trial(did, waiting) };
      },
      (child) => child.end(0),
    ]);
    assert.deepEqual([code, ms, did[2], did[4]], [0, 0, "given up", "start 2"], String(how));
    assert.match(
      did[3]!,
      /^The environment two (ended with|was ended by|could not be started).*: what was there before/,
    );
  }
});

test("an environment whose run is over in its trial is well", async () => {
  const { code, did } = await supervised([(child, did) => {
    child.end(0);
    return { trial: trial(did, waiting) };
  }]);
  assert.deepEqual([code, did.includes("kept")], [0, true]);
});

test("an environment that ends in its trial though it is to follow is given up, whatever its code", async () => {
  const { code, did } = await supervised([
    (child, did) => {
      child.end(0);
      return { trial: trial(did, waiting, { mayEnd: false }) };
    },
    (child) => child.end(0),
  ]);
  assert.deepEqual([code, did.slice(2, 5)], [0, [
    "given up",
    "The environment two ended with code 0: what was there before is started again",
    "start 2",
  ]]);
});

test("an environment that is not well in time is told to end, then made to, and the one before is started", async () => {
  for (const obeys of [true, false]) {
    const { did, children } = await supervised([
      (child, did) => {
        child.obeys = obeys;
        return { trial: trial(did, () => Promise.resolve(false)) };
      },
      (child) => child.end(0),
    ]);
    assert.deepEqual(children[0]!.kills, obeys ? ["SIGTERM"] : ["SIGTERM", "SIGKILL"]);
    assert.ok(
      did.includes("The environment two was not well in time: what was there before is started again"),
    );
  }
});

test("a trial that a stop cuts off is left for the next start to give up", async () => {
  const { code, did } = await supervised([(_, did) => {
    did.push("stop");
    return { trial: trial(did, waiting) };
  }]);
  assert.deepEqual([code, did], [143, ["start 1", "The environment two is on trial"]]);
});

test("what can't be started is started no more, where there is something else", async () => {
  const { code, did } = await supervised([
    (child, did) => {
      child.end(new Error("EACCES"));
      return { forget: () => Promise.resolve(void did.push("forgotten")) };
    },
    (child) => child.end(0),
  ]);
  assert.deepEqual([code, did[2], did[3]], [0, "forgotten", "start 2"]);
  await assert.rejects(supervised([(child) => child.end(new Error("EACCES"))]), /EACCES/);
});

test("a disk that does not take how a trial ended ends no agent", async () => {
  const { code, did } = await supervised([(child) => {
    setTimeout(() => child.end(0), 1);
    const full = () => Promise.reject(new Error("no room"));
    return { trial: { name: "two", mayEnd: true, reached: well, isWell: well, keep: full, giveUp: full } };
  }]);
  assert.deepEqual([code, did.includes("no room")], [0, true]);
});

/** Whether an agent is well that answers so, once for each time that it is asked, and the last one from then on. */
async function wellWith(
  answers: readonly (boolean | undefined)[],
  { isAtWork = true, reachedAfter = 0 } = {},
): Promise<{ well: boolean; seconds: number }> {
  const [clock, activity] = [new HandClock(), new Activity()];
  let asked = 0;
  const begun = clock.monotonic();
  const well = await drive(
    isWell({
      clock,
      answers: () => Promise.resolve(answers[Math.min(asked++, answers.length - 1)]),
      isAtWork: () => Promise.resolve(isAtWork),
      reached: () => Promise.resolve(clock.monotonic() - begun >= 1000 * reachedAfter),
      signal: new AbortController().signal,
    }),
    { clock, activity },
  );
  return { well, seconds: (clock.monotonic() - begun) / 1000 };
}

test("an agent is well when it has answered for ten seconds on end, or is at work after thirty without an end point", async () => {
  assert.deepEqual(await wellWith([true]), { well: true, seconds: 10 });
  assert.deepEqual(await wellWith([undefined, undefined, true, true, false, true]), {
    well: true,
    seconds: 12.5,
  });
  assert.deepEqual(await wellWith([undefined]), { well: true, seconds: 30 });
  // It lives, and is no agent, or one that hangs.
  assert.deepEqual(await wellWith([undefined], { isAtWork: false }), { well: false, seconds: 120 });
  assert.deepEqual(await wellWith([true, false]), { well: false, seconds: 120 });
  // What was there before has reached the gateway, and so it has to.
  assert.deepEqual(await wellWith([true], { reachedAfter: 60 }), { well: true, seconds: 60 });
  assert.deepEqual(await wellWith([undefined], { reachedAfter: 60 }), { well: true, seconds: 60 });
  assert.deepEqual(await wellWith([true], { reachedAfter: 121 }), { well: false, seconds: 120 });
  // It had an end point, and does not answer there any more.
  assert.deepEqual(await wellWith([false, undefined]), { well: false, seconds: 120 });
  const over = AbortSignal.abort();
  assert.equal(
    await isWell({
      clock: new HandClock(),
      answers: () => Promise.resolve(true),
      isAtWork: () => Promise.resolve(true),
      reached: () => Promise.resolve(true),
      signal: over,
    }),
    false,
  );
});

const PIPELINE = JSON.stringify({ outrider: 1, name: "installed", tasks: { one: {} } });

/** A state directory onto which a program was fetched. */
function withFetched(
  program: string,
  standing: (id: string) => object,
  work: (folder: string) => Promise<void>,
) {
  return withFiles({ "outrider.pipeline.json": PIPELINE }, async (folder) => {
    const id = createHash("sha256").update(program).digest("hex");
    const place = join(folder, "state/environment");
    mkdirSync(join(place, id), { recursive: true });
    writeFileSync(join(place, id, "outrider"), program);
    chmodSync(join(place, id, "outrider"), 0o700);
    writeFileSync(join(place, "device.json"), JSON.stringify({ outriderDevice: 1, ...standing(id) }));
    await work(folder);
  });
}

function agentIn(folder: string, variables: Readonly<Record<string, string>> = {}) {
  return runCli(["agent"], {
    cwd: folder,
    env: { OUTRIDER_STATE_DIR: join(folder, "state"), OUTRIDER_SERVE: "off", ...variables },
  });
}

// Windows starts no scripts of a shell.
if (process.platform !== "win32") {
  test("an agent is started from the environment that was fetched", () =>
    withFetched(
      '#!/bin/sh\necho "$@ $OUTRIDER_SUPERVISED ${OUTRIDER_ENVIRONMENT-none} ${INSTALLED-none} $BOTH" >started\n',
      (current) => ({ current }),
      async (folder) => {
        // What the installed environment lays beneath is not the other's; what the device says is.
        const carried = {
          outriderCarried: 1,
          name: "installed",
          env: { INSTALLED: "1", BOTH: "environment" },
        };
        writeFileSync(join(folder, "environment.json"), JSON.stringify(carried));
        const { code, stderr } = await agentIn(folder, {
          OUTRIDER_ENVIRONMENT: join(folder, "environment.json"),
          BOTH: "device",
        });
        assert.equal(code, 0, stderr);
        assert.equal(readFileSync(join(folder, "started"), "utf8"), "agent 1 none none device\n");
      },
    ));

  test("an agent whose new environment dies in its trial goes on with what is installed, and tries it no more", () =>
    withFetched("#!/bin/sh\nexit 3\n", (id) => ({ trial: { id, begun: false } }), async (folder) => {
      const { code, stderr } = await agentIn(folder);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /is on trial[\s\S]*ended with code 3: what was there before is started again/);
      assert.deepEqual(JSON.parse(readFileSync(join(folder, "state/environment/device.json"), "utf8")), {
        outriderDevice: 1,
      });
      assert.ok(existsSync(join(folder, "state/runs")));
    }));

  test("an environment is no better for its agent's word alone: it has to reach the gateway if the one before did", () =>
    withFetched("#!/bin/sh\nexit 0\n", (id) => ({ trial: { id, begun: false } }), async (folder) => {
      writeFileSync(join(folder, "state/gateway.json"), '{"reached":true}\n');
      const { stderr } = await agentIn(folder);
      assert.match(stderr, /is on trial[\s\S]*has not reached the gateway, which what was there before did/);
      assert.equal(existsSync(join(folder, "state/gateway.json")), false);
    }));

  test("an environment that tells of the gateway as the one before did is well", () =>
    withFetched(
      `#!/bin/sh\necho '{"reached":true}' >"$OUTRIDER_STATE_DIR/gateway.json"\n`,
      (id) => ({ trial: { id, begun: false } }),
      async (folder) => {
        writeFileSync(join(folder, "state/gateway.json"), '{"reached":true}\n');
        const { code, stderr } = await agentIn(folder);
        assert.deepEqual([code, /is well, and stays/.test(stderr)], [0, true], stderr);
      },
    ));
}
