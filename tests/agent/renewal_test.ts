/** An agent that is told to be of another environment: when it fetches, what it tells, when it ends for it. */
import assert from "node:assert/strict";
import test from "node:test";
import type { EnvironmentFetch, EnvironmentsPort, Wish } from "../../src/agent/renewal.ts";
import { ANOTHER_WAITS } from "../../src/agent/supervise.ts";
import { AgentWorld, bundleOf } from "./rig.ts";

const REFERENCE = `probe@sha256:${"0".repeat(64)}`;
const OTHER = `probe@sha256:${"1".repeat(64)}`;

/** Where environments come from, in the test's hand. */
class Environments implements EnvironmentsPort {
  kept: Wish | undefined;
  readonly fetched: string[] = [];
  /** What a fetch does. */
  does: (options: EnvironmentFetch) => Promise<void> = () => Promise.resolve();

  wish(): Promise<Wish | undefined> {
    return Promise.resolve(this.kept);
  }

  want(reference: string | undefined): Promise<void> {
    this.kept = reference === undefined ? undefined : { reference, stands: "wanted" };
    return Promise.resolve();
  }

  async fetch(reference: string, options: EnvironmentFetch): Promise<void> {
    this.fetched.push(reference);
    await this.does(options);
  }
}

async function within(work: (world: AgentWorld, environments: Environments) => Promise<void>): Promise<void> {
  const world = new AgentWorld();
  try {
    await work(world, new Environments());
  } finally {
    world.close();
  }
}

async function told(world: AgentWorld) {
  return (await world.user.executors()).find(({ id }) => id === "pi")?.heartbeat?.environment;
}

function deploy(world: AgentWorld, reference = REFERENCE): Promise<void> {
  return world.user.command("pi", { type: "environment", reference });
}

test("renewal: an idle agent fetches what it is told to, tells how far it is, and ends for it", () =>
  within(async (world, environments) => {
    const go = Promise.withResolvers<void>();
    environments.does = async ({ progress }) => {
      progress(5, 10);
      await go.promise;
    };
    const agent = world.agent({}, { follow: true, environments });
    await world.when(async () => (await world.user.executors()).length > 0);
    assert.deepEqual(environments.fetched, []);
    await deploy(world);
    await world.when(async () => (await told(world))?.bytes === 5);
    assert.deepEqual(await told(world), { reference: REFERENCE, state: "fetching", bytes: 5, of: 10 });
    assert.deepEqual(environments.kept, { reference: REFERENCE, stands: "wanted" });
    go.resolve();
    assert.equal(await world.until(agent.ended), ANOTHER_WAITS);
    assert.equal((await told(world))?.state, "waiting");
  }));

test("renewal: a run goes on to its end first, and without --follow its code is the agent's", async () => {
  for (const follow of [true, false]) {
    await within(async (world, environments) => {
      await world.user.submit(await bundleOf("p", { gate: {} }), "pi");
      const agent = world.agent({}, { follow, environments, free: true });
      await world.when(async () => (await world.user.runs())[0]?.state === "running");
      await deploy(world);
      await world.when(async () => (await told(world))?.state === "waiting");
      assert.equal((await world.user.runs())[0]!.state, "running");
      await world.app.fetch(
        new Request("http://127.0.0.1:8410/v1/experiments/e/flags/open", {
          method: "PUT",
          body: JSON.stringify({ value: true }),
        }),
      );
      assert.equal(await world.until(agent.ended), follow ? ANOTHER_WAITS : 0);
      assert.equal((await world.user.runs())[0]!.state, "succeeded");
    });
  }
});

test("renewal: what may be over later is tried again, what can't be is told, and the newest wish holds", () =>
  within(async (world, environments) => {
    let tries = 0;
    environments.does = () => {
      if (++tries < 3) return Promise.reject(Object.assign(new Error("the line broke"), { transient: true }));
      return Promise.reject(new Error("it is signed by nobody"));
    };
    const agent = world.agent({}, { follow: true, environments });
    await deploy(world);
    await world.when(async () => (await told(world))?.state === "failed");
    assert.deepEqual([tries, (await told(world))?.because], [3, "it is signed by nobody"]);
    assert.equal(environments.kept, undefined);
    const signals: AbortSignal[] = [];
    environments.does = ({ signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    };
    await deploy(world);
    await world.when(() => environments.fetched.length === 4);
    await deploy(world, OTHER);
    await world.when(() => environments.fetched.length === 5);
    assert.deepEqual([signals[0]!.aborted, environments.fetched.at(-1)], [true, OTHER]);
    agent.stop("over");
    await world.until(agent.ended);
    // What was not fetched is for the next process.
    assert.deepEqual([signals[1]!.aborted, (await environments.wish())?.reference], [true, OTHER]);
  }));

test("renewal: without a place for environments it is told so", () =>
  within(async (world) => {
    const agent = world.agent({}, { follow: true });
    await deploy(world);
    await world.when(async () => (await told(world))?.state === "failed");
    assert.match((await told(world))!.because!, /no OUTRIDER_STATE_DIR/);
    agent.stop("over");
    await world.until(agent.ended);
  }));

test("renewal: a process goes on with what the one before it was told, and says what became of a trial", async () => {
  const started = (
    stands: Wish["stands"],
    then: (world: AgentWorld, environments: Environments) => Promise<void>,
  ) =>
    within(async (world, environments) => {
      environments.kept = { reference: REFERENCE, stands };
      const agent = world.agent({}, { follow: true, environments });
      await then(world, environments);
      agent.stop("over");
      await world.until(agent.ended);
    });
  await started("wanted", async (world, environments) => {
    await world.when(() => environments.fetched.length === 1);
  });
  await started("failed", async (world, environments) => {
    await world.when(async () => (await told(world))?.state === "failed");
    assert.match((await told(world))!.because!, /was tried, and was not well/);
    assert.deepEqual([environments.kept, environments.fetched], [undefined, []]);
  });
  await started("trying", async (world, environments) => {
    await world.when(async () => (await told(world))?.state === "trying");
    environments.kept = { reference: REFERENCE, stands: "running" };
    await world.when(async () => (await told(world))?.state === "running");
    assert.equal(environments.kept, undefined);
  });
  await within(async (world, environments) => {
    environments.kept = { reference: REFERENCE, stands: "waiting" };
    assert.equal(await world.until(world.agent({}, { follow: true, environments }).ended), ANOTHER_WAITS);
  });
});
