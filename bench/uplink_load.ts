/**
 * Owns the load of many executors on a gateway: a process of its own. `node bench/uplink_load.ts JSON`, which prints how
 * long each heartbeat took, in milliseconds.
 * Invariant: no heartbeat waits for another one's answer, so that a slow gateway is not asked less.
 */
import { Agent, request } from "node:http";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { randomFrom } from "./random.ts";
import { heartbeat } from "./uplink_matter.ts";

/** What to send. */
export interface Beating {
  readonly url: string;
  readonly token: string;
  readonly executors: number;
  /** Each executor's, ± 20 %. */
  readonly intervalMs: number;
  /** How long. */
  readonly ms: number;
}

/** Executors that introduce themselves at the same time, before the time begins. */
const AT_ONCE = 10;

/** One executor, with a connection of its own, which is made anew whenever the gateway has closed it. */
class Executor {
  readonly #beating: Beating;
  readonly #id: number;
  readonly #agent: Agent = new Agent({ keepAlive: true, maxSockets: 4 });
  #version = 0;

  constructor(beating: Beating, id: number) {
    this.#beating = beating;
    this.#id = id;
  }

  /** Resolves to how long it took, milliseconds. */
  beat(): Promise<number> {
    const { url, token } = this.#beating;
    const body = gzipSync(JSON.stringify(heartbeat(`session-${this.#beating.intervalMs}`, ++this.#version)));
    const headers = {
      "authorization": `Bearer ${token}`,
      "content-type": "application/json",
      "content-encoding": "gzip",
      "content-length": body.length,
    };
    const from = performance.now();
    return new Promise((resolve, reject) => {
      const path = `${url}/v1/executors/executor-${this.#id}/heartbeat`;
      const asked = request(path, { method: "POST", agent: this.#agent, headers }, (answer) => {
        answer.resume().on("end", () => {
          if (answer.statusCode === 200) resolve(performance.now() - from);
          else reject(new Error(`A heartbeat was answered ${answer.statusCode}`));
        });
      });
      asked.on("error", (error: NodeJS.ErrnoException) => {
        // The gateway closed the connection just then: an executor tries again, and the time goes on.
        if (!asked.reusedSocket) return reject(error);
        this.beat().then(() => resolve(performance.now() - from), reject);
      });
      asked.end(body);
    });
  }

  /** Beats in its interval until the time is over. */
  async live(random: () => number, tell: (ms: number) => void): Promise<void> {
    const { intervalMs, ms } = this.#beating;
    const over = performance.now() + ms;
    const answers: Promise<void>[] = [];
    for (let due = performance.now() + random() * intervalMs; due < over;) {
      await new Promise((later) => setTimeout(later, due - performance.now()));
      answers.push(this.beat().then(tell));
      due += intervalMs * (0.8 + 0.4 * random());
    }
    await Promise.all(answers);
  }

  close(): void {
    this.#agent.destroy();
  }
}

if (import.meta.main) {
  const beating = JSON.parse(process.argv[2]!) as Beating;
  const random = randomFrom(3);
  const executors = Array.from({ length: beating.executors }, (_, id) => new Executor(beating, id));
  for (let at = 0; at < executors.length; at += AT_ONCE) {
    await Promise.all(executors.slice(at, at + AT_ONCE).map((each) => each.beat()));
  }
  const times: number[] = [];
  await Promise.all(executors.map((each) => each.live(random, (ms) => times.push(ms))));
  for (const each of executors) each.close();
  process.stdout.write(JSON.stringify(times));
}
