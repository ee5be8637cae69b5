/**
 * Owns the same work on what others use: piscina, tinypool, comlink, and nothing but `postMessage`.
 * Run alone: `node bench/peers.ts [chain|independent] [NAME...] [--quick]`, likewise on Deno (`-A`) and Bun.
 * Invariant: a peer's workers are warm before its time begins; its starting them is not counted.
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { wrap } from "comlink";
import { nodeEndpoint } from "./comlink_node.ts";
import { type Figure, figure, print, quick, words } from "./figure.ts";
import { MODULE } from "./shapes.ts";

/** Something that calls a function that does nothing on one of two workers. */
interface Peer {
  call(): Promise<unknown>;
  close(): Promise<unknown>;
}

const SIZE = quick ? 2_000 : 10_000;
const RUNS = 2;
const WORKER = new URL("./peer_worker.ts", import.meta.url);
const PEER_MS = 20_000;

const PEERS: Readonly<Record<string, () => Promise<Peer>>> = {
  async piscina() {
    const { Piscina } = await import("piscina");
    const pool = new Piscina({ filename: MODULE, minThreads: 2, maxThreads: 2 });
    return { call: () => pool.run(undefined, { name: "nothing" }), close: () => pool.destroy() };
  },
  async tinypool() {
    const { Tinypool } = await import("tinypool");
    const pool = new Tinypool({ filename: MODULE, minThreads: 2, maxThreads: 2 });
    return { call: () => pool.run(undefined, { name: "nothing" }), close: () => pool.destroy() };
  },
  async comlink() {
    const workers = [0, 1].map(() => new Worker(WORKER, { workerData: "comlink" }));
    const proxies = workers.map((worker) => wrap<{ nothing(): void }>(nodeEndpoint(worker)));
    return spread(workers, (at) => proxies[at]!.nothing());
  },
  async postMessage() {
    const workers = [0, 1].map(() => new Worker(WORKER));
    const waiting: (() => void)[][] = [[], []];
    workers.forEach((worker, at) => worker.on("message", () => waiting[at]!.shift()!()));
    return spread(workers, (at) => {
      workers[at]!.postMessage(null);
      return new Promise<void>((resolve) => void waiting[at]!.push(resolve));
    });
  },
};

/** Each call goes to the worker with the fewest calls under way; one after the other, they all go to the first. */
function spread(workers: readonly Worker[], callOn: (at: number) => Promise<unknown>): Peer {
  const underWay = workers.map(() => 0);
  return {
    async call() {
      const at = underWay.indexOf(Math.min(...underWay));
      underWay[at]!++;
      await callOn(at);
      underWay[at]!--;
    },
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
async function oneAfterTheOther({ call }: Peer): Promise<void> {
  for (let count = 0; count < SIZE; count++) await call();
}

async function allAtOnce({ call }: Peer): Promise<void> {
  await Promise.all(Array.from({ length: SIZE }, () => call()));
}

/** Times of the runs, in milliseconds. */
async function time(peer: Peer, work: (peer: Peer) => Promise<void>): Promise<number[]> {
  await work(peer);
  const times: number[] = [];
  for (let round = 0; round < RUNS; round++) {
    const began = performance.now();
    await work(peer);
    times.push(performance.now() - began);
  }
  return times;
}

async function measure(name: string, works: readonly string[]): Promise<Figure[]> {
  const peer = await PEERS[name]!();
  const how = `2 warm workers; ${RUNS} rounds after a warm-up round in the same process`;
  const figures: Figure[] = [];
  if (works.includes("chain")) {
    const times = (await time(peer, oneAfterTheOther)).map((ms) => ms * 1_000 / SIZE);
    figures.push(figure(`chain: ${name}`, times, { unit: "µs", how: `${SIZE} calls, each awaited; ${how}` }));
  }
  if (works.includes("independent")) {
    const rates = (await time(peer, allAtOnce)).map((ms) => SIZE / ms * 1_000);
    figures.push(
      figure(`independent: ${name}`, rates, { unit: "tasks/s", how: `Promise.all of ${SIZE} calls; ${how}` }),
    );
  }
  await peer.close();
  return figures;
}

/** A peer that does not work on this runtime, or hangs, is no reason to have no figures of the others. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => limit.reject(new Error(`no answer within ${ms / 1_000} s`)), ms);
  return await Promise.race([answer, limit.promise]).finally(() => clearTimeout(timer));
}

const works = words.filter((word) => word === "chain" || word === "independent");
const names = words.filter((word) => Object.hasOwn(PEERS, word));
const figures: Figure[] = [];
const notes: string[] = [];
for (const name of names.length > 0 ? names : Object.keys(PEERS)) {
  try {
    figures.push(
      ...await within(PEER_MS, measure(name, works.length > 0 ? works : ["chain", "independent"])),
    );
  } catch (error) {
    notes.push(`${name} does not work here: ${error instanceof Error ? error.message : String(error)}`);
  }
}
print("peers", figures, notes);
process.exit();
