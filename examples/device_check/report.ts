/**
 * Owns what a person reads at the end.
 */
import type { Clock, Timers } from "./clock.ts";
import type { Cpu } from "./cpu.ts";
import type { Disk } from "./disk.ts";
import type { Machine } from "./machine.ts";
import type { Memory } from "./memory.ts";
import type { Network } from "./network.ts";

/** Everything measured; what is missing has failed. */
export interface Report {
  readonly machine: Machine;
  readonly cpu: Cpu & { readonly steady: boolean };
  readonly memory?: Memory;
  readonly disk?: Disk;
  readonly network?: Network;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly trouble: readonly string[];
}

/** What the report is made of. */
export interface Findings {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly steady: { readonly steady: boolean };
  readonly memory: Memory | undefined;
  readonly disk: Disk | undefined;
  readonly network: Network | undefined;
  readonly clock: Clock | undefined;
  readonly timers: Timers | undefined;
  readonly trouble: readonly string[] | undefined;
}

/** Puts the findings in order, without what is not there. */
export function reportOf({ machine, cpu, steady, trouble = [], ...measured }: Findings): Report {
  const there = Object.entries(measured).filter(([, figures]) => figures !== undefined);
  return { machine, cpu: { ...cpu, ...steady }, ...Object.fromEntries(there), trouble };
}

/** The report as lines. */
export function textOf({ machine, cpu, memory, disk, network, clock, timers }: Report): string[] {
  const rows: (readonly [name: string, text: string | undefined])[] = [
    [
      "CPU",
      `${cpu.millionsPerSecond} million rounds/s on one core, ${cpu.steady ? "steady" : "noisy"} within ${
        (cpu.spread * 100).toFixed(1)
      } %`,
    ],
    ["memory", memory && `${memory.copyGiBPerSecond} GiB/s copied, ${memory.latencyNs} ns to a random place`],
    [
      "disk",
      disk && `${disk.writeMiBPerSecond} MiB/s written, ${disk.syncMs} ms a sync, ${disk.freeGiB} GiB free`,
    ],
    [
      "network",
      network &&
      `${network.throughputMiBPerSecond} MiB/s on loopback, ${network.roundTripUs} µs a round trip (1 in 100: ${network.slowRoundTripUs} µs)`,
    ],
    ["clock", clock && `${clock.driftPpm} ppm between wall and monotonic clock`],
    [
      "timers",
      timers &&
      `${timers.lateMs} ms late (1 in 100: ${timers.latestMs} ms), clock step ${timers.resolutionNs} ns`,
    ],
  ];
  const title =
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, ${machine.runtime}`;
  const wide = Math.max(...rows.map(([name]) => name.length));
  return [title, ...rows.map(([name, text]) => `  ${name.padEnd(wide)}  ${text ?? "not measured"}`)];
}
