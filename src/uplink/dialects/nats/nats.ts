/**
 * Owns the dialect `nats`: a fleet's NATS servers in the place of a gateway, which may be down while devices go on.
 * Must not know when anything is sent, or what is done about failures.
 * Invariant: nothing but this executor's own subjects is written; the client of NATS is loaded with the first connection.
 */
import * as v from "valibot";
import type { Bytes } from "../../../base/bytes.ts";
import { JetStream, packedValue, unpackedValue } from "../../../fleet/jetstream.ts";
import { NATS_SCHEMES, type NatsWireOptions } from "../../../fleet/dialler.ts";
import { NatsWire } from "../../../fleet/wire.ts";
import { addressees, DEFAULT_EXPERIMENT, FLEET_STREAMS, part, SUBJECTS } from "../../../fleet/words.ts";
import type { Heartbeat, HeartbeatReply } from "../../../protocol/messages.ts";
import type { CallOptions, Gateway } from "../../gateway.ts";
import type { Dialect } from "../dialect.ts";
import { checkIds } from "../bounds.ts";
import { natsFlags } from "./flags.ts";
import { Handouts } from "./handouts.ts";
import { Reports } from "./reports.ts";
import { Instructions } from "./instructions.ts";

const CREDS = "OUTRIDER_CREDS_FILE";

/** A fleet's NATS servers. */
export const natsDialect: Dialect = {
  name: "nats",
  schemes: NATS_SCHEMES,
  variables: [{
    name: CREDS,
    about:
      "File with the credentials that `outrider fleet add` made for this executor; read at each connection",
    form: "path",
  }],
  connect({ url, executor, experiment, groups, token, settings, readSecret, clock, random }) {
    const path = settings[CREDS];
    return natsGateway({
      url,
      executor,
      experiment,
      groups,
      token,
      readCreds: typeof path === "string" ? () => readSecret(path) : undefined,
      clock,
      random,
    });
  },
};

/** What the dialect needs. */
export interface NatsOptions extends Omit<NatsWireOptions, "name"> {
  readonly executor: string;
  readonly experiment?: string | undefined;
  readonly groups?: readonly string[];
  /** Default: gzip by the runtime. */
  readonly gzip?: (bytes: Bytes) => Promise<Bytes>;
}

/**
 * A fleet's NATS servers, as one executor sees them (docs/fleet.md).
 *
 * @throws {AddressError} If an address is none.
 * @throws {TokenError} If the token can't be sent.
 * @throws {IdError} If an id has characters that no gateway takes, or is too long.
 */
export function natsGateway(options: NatsOptions): Gateway {
  checkIds(options);
  const { executor, experiment = DEFAULT_EXPERIMENT, groups = [], gzip } = options;
  const wire = new NatsWire({ ...options, name: part(executor) });
  const jetstream = new JetStream(wire, { where: SUBJECTS.where(executor) });
  const reports = new Reports({ jetstream, executor, gzip });
  const handouts = new Handouts(jetstream, { executor, groups });
  const beats = new Beats(jetstream, { executor, groups, gzip });
  const bells = addressees(executor, groups).flatMap((whom) => [
    SUBJECTS.instructions(whom),
    SUBJECTS.assignment(whom),
  ]);
  return {
    url: wire.url,
    get traffic() {
      return wire.traffic;
    },
    pull: (known, limits) => handouts.pull(known, limits),
    beat: (heartbeat, limits) => beats.beat(heartbeat, limits),
    report: {
      kind: "records",
      send: async (batch, limits) => ({ ...await reports.send(batch, limits), storage: beats.storage }),
    },
    flags: natsFlags(jetstream, { ...options, experiment }),
    listen(bell) {
      const leave = bells.map((subject) => wire.listen(subject, bell));
      return () => leave.forEach((each) => each());
    },
    close: () => wire.close(),
  };
}

const Session = v.looseObject({ session: v.string() });

/** Heartbeats of one executor, and what it is told for them. */
class Beats {
  readonly #jetstream: JetStream;
  readonly #options: Pick<NatsOptions, "executor" | "gzip">;
  readonly #told: Instructions;
  /** Sequence of the last heartbeat of this session. */
  #last: number | undefined;

  constructor(
    jetstream: JetStream,
    { executor, groups, gzip }: {
      readonly executor: string;
      readonly groups: readonly string[];
      readonly gzip: NatsOptions["gzip"];
    },
  ) {
    this.#jetstream = jetstream;
    this.#options = { executor, ...(gzip && { gzip }) };
    this.#told = new Instructions(jetstream, { executor, groups });
  }

  get storage(): string {
    return this.#told.storage;
  }

  async beat(heartbeat: Heartbeat, limits: CallOptions): Promise<HeartbeatReply> {
    const told = await this.#told.continued(heartbeat, limits);
    const [rival, commands] = await Promise.all([
      this.#store(told, limits),
      this.#told.after(heartbeat, limits),
    ]);
    return { commands: [...commands], storage: this.storage, ...(rival !== undefined && { rival }) };
  }

  /** Stores a heartbeat in the place of the one before; resolves to another session that has stored one since. */
  async #store(heartbeat: Heartbeat, limits: CallOptions): Promise<string | undefined> {
    const subject = SUBJECTS.heartbeat(this.#options.executor);
    const data = await packedValue(heartbeat, this.#options.gzip);
    const after = this.#last;
    const kept = await this.#jetstream.store(subject, data, {
      ...limits,
      ...(after !== undefined && { after }),
    });
    if (kept !== undefined) {
      this.#last = kept.seq;
      return undefined;
    }
    const stored = await this.#jetstream.last(FLEET_STREAMS.heartbeats, subject, limits);
    const read = v.safeParse(Session, stored && await unpackedValue(stored.data));
    this.#last = undefined;
    await this.#store(heartbeat, limits);
    return read.success && read.output.session !== heartbeat.session ? read.output.session : undefined;
  }
}
