/**
 * Owns how well hosts answer: how many questions get an answer, how long that takes, and what all of it comes to.
 * Must not know which hosts there are.
 */
import { connect } from "node:net";
import type { TaskContext } from "../../mod.ts";
import type { Host } from "./scan.ts";

/** How often a host is asked. */
export interface Asking {
  readonly port: number;
  readonly count: number;
  readonly everyMs: number;
  /** After that much time an answer is lost. */
  readonly patienceMs: number;
}

/** How one host answers. */
export interface Probed {
  readonly name: string;
  readonly address: string;
  /** Share of the questions that got no answer, 0 to 1. */
  readonly loss: number;
  /** Median of the answers, milliseconds; `null` if there were none. */
  readonly rttMs: number | null;
}

/**
 * Asks a host once, as a browser would; resolves to how long the answer took, milliseconds, or to nothing if there was none.
 * Whatever it says is an answer, and so is a refusal: it is there. (Bun calls all that fails at once a refusal.)
 */
export function ask(address: string, { port, patienceMs }: Asking): Promise<number | undefined> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ host: address, port }, () => socket.write("HEAD / HTTP/1.0\r\n\r\n"));
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered ? performance.now() - began : undefined);
    };
    const timer = setTimeout(end, patienceMs, false);
    socket.on("data", () => end(true));
    socket.on("end", () => end(true));
    socket.on("error", (error: Error & { readonly code?: string }) => end(error.code === "ECONNREFUSED"));
  });
}

/** Asks one host again and again. */
export async function probe(
  { inputs, params, signal, progress }: Pick<
    TaskContext<{ readonly host: Host }, Asking>,
    "inputs" | "params" | "signal" | "progress"
  >,
): Promise<Probed> {
  const { name, address } = inputs.host;
  const answers: number[] = [];
  for (let asked = 0; asked < params.count; asked++) {
    signal.throwIfAborted();
    const rtt = await ask(address, params);
    if (rtt !== undefined) answers.push(rtt);
    progress((asked + 1) / params.count, name);
    await new Promise((next) => setTimeout(next, params.everyMs));
  }
  return { name, address, loss: 1 - answers.length / params.count, rttMs: medianOf(answers) };
}

/** How one item ended, as a mapped task that goes on tells it. */
interface Ended {
  readonly outcome: string;
  readonly value?: Probed;
}

/** What the hosts come to: the most that is lost, and the median of all. */
export function quality(
  { inputs }: TaskContext<{ readonly probed: readonly Ended[] }>,
): { hosts: Probed[]; loss: number; rttMs: number | null } {
  const hosts = inputs.probed.flatMap(({ value }) => value === undefined ? [] : [value]);
  const loss = Math.max(0, ...hosts.map((host) => host.loss));
  return { hosts, loss, rttMs: medianOf(hosts.flatMap(({ rttMs }) => rttMs ?? [])) };
}

function medianOf(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  return median === undefined ? null : Number(median.toFixed(3));
}
