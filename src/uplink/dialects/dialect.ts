/**
 * Owns what a dialect of gateways is. Types only.
 * Must not know any dialect, nor what is done with a gateway.
 * Invariant: all that a dialect has of its own (addresses, variables, sockets, headers, proxies) is behind `connect`.
 */
import type { GenericSchema } from "valibot";
import type { Clock } from "../../base/clock.ts";
import type { Environment } from "../../base/no_proxy.ts";
import type { Random } from "../../base/random.ts";
import type { Gateway } from "../gateway.ts";

/** A way in which a gateway can be spoken to. */
export interface Dialect {
  readonly name: string;
  /** Schemes of the addresses that it serves, the one to recommend first, such as `https:`. */
  readonly schemes: readonly string[];
  /** Environment variables that it adds, or that stand for ours where it is spoken. One that stands for OUTRIDER_GATEWAY chooses the dialect by being set; else the address does. */
  readonly variables: readonly DialectVariable[];
  /**
   * A gateway at an address; nothing is asked of it yet.
   *
   * @throws {UplinkError} If address, token or ids can't be used.
   */
  connect(options: ConnectOptions): Gateway;
}

/** An environment variable of a dialect's own. */
export interface DialectVariable {
  readonly name: string;
  /** What it says, for docs/configuration.md; a secret one has a name that ends in `TOKEN`. */
  readonly about: string;
  /** Form and range, for people. */
  readonly form: string;
  readonly secret?: boolean;
  /** The variable of ours that it stands for; else its value is in the `settings` of `connect`. */
  readonly standsFor?: string;
  /** What that one is where neither is set. Default: what it is by itself. */
  readonly fallback?: string;
  /** How its text is read. Default: as that of the one that it stands for, else as it is. */
  readonly schema?: GenericSchema<string, unknown>;
}

/** What a dialect is given to connect by. */
export interface ConnectOptions {
  /** The gateway's address; its scheme is one of the dialect's. */
  readonly url: string;
  readonly executor: string;
  readonly experiment: string | undefined;
  readonly groups: readonly string[];
  readonly token: string | undefined;
  /** Reads the token where it may be replaced. */
  readonly renewToken: (() => Promise<string | undefined>) | undefined;
  /** Reads a file that nothing of is to be shown: what is in it is hidden from then on. */
  readonly readSecret: (path: string) => Promise<string>;
  /** The variables that it adds, those that are set, as their schemas read them. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly random: Random;
  /** The process's variables, for what asks by a proxy. */
  readonly environment: Environment;
}
