/**
 * Owns how a fleet's gateway changes flags for devices: one change after the other, in the order of arrival.
 * Must not know where flags are kept.
 * Invariant: an operation that is asked for again while it waits, or soon after, is not done again, and its answer is the
 * same: who is answered late asks again, and all of them would else wait the longer.
 */
import * as v from "valibot";
import { errorBody, Refuse } from "../../base/web/refuse.ts";
import type { NatsMessage } from "../../fleet/connection.ts";
import type { FleetFlags } from "../../fleet/flags.ts";
import { unpackedValue } from "../../fleet/jetstream.ts";
import type { NatsWire } from "../../fleet/wire.ts";
import { ANY, idOf, SUBJECTS } from "../../fleet/words.ts";
import { FlagOperation } from "../../protocol/messages.ts";
import { DESK_LIMITS, orRefuse } from "./desk.ts";

/** Answers that are remembered, and the longest of them, characters. */
const MAX_ANSWERS = 4_000;
const MAX_ANSWER = 1_000;
/** Those who serve together: of them each operation goes to one. */
const QUEUE = "gateways";

const Asked = v.object({ operation: FlagOperation, again: v.optional(v.boolean(), true) });
type Asked = v.InferOutput<typeof Asked>;

/** Changes flags for devices. */
export class FlagService {
  readonly #wire: NatsWire;
  readonly #flags: FleetFlags;
  readonly #answers = new Map<string, Promise<string>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(wire: NatsWire, flags: FleetFlags) {
    this.#wire = wire;
    this.#flags = flags;
  }

  /** Serves until the returned function is called. */
  start(): () => void {
    return this.#wire.listen(SUBJECTS.flagService(ANY, ANY), (message) => void this.#serve(message), QUEUE);
  }

  async #serve(message: NatsMessage): Promise<void> {
    const { subject } = message;
    const read = v.safeParse(Asked, await unpackedValue(new Uint8Array(message.data)));
    const answer = read.success
      ? this.#answered(subject, read.output)
      : errorBody("BODY", "This is no operation on a flag");
    this.#wire.answer(message, new TextEncoder().encode(await answer));
  }

  #answered(subject: string, asked: Asked): Promise<string> {
    const key = `${subject} ${asked.operation.id}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#last.then(() => this.#changed(subject, asked));
    this.#last = answer;
    this.#answers.set(
      key,
      answer.then(({ text, stays }) => {
        if (!stays || text.length > MAX_ANSWER) this.#answers.delete(key);
        return text;
      }),
    );
    if (this.#answers.size > MAX_ANSWERS) this.#answers.delete(this.#answers.keys().next().value!);
    return this.#answers.get(key)!;
  }

  /** Never rejects. What failed may go well when it is asked for again. */
  async #changed(subject: string, { operation, again }: Asked): Promise<{ text: string; stays: boolean }> {
    const [, , , experiment = "", name = ""] = subject.split(".");
    const named = { experiment: idOf(experiment), name: idOf(name) };
    try {
      const reply = await orRefuse(this.#flags.change(named, operation, { ...DESK_LIMITS, again }));
      return { text: JSON.stringify(reply), stays: true };
    } catch (error) {
      const text = error instanceof Refuse
        ? errorBody(error.status === 503 ? "BUSY" : error.code, error.message)
        : errorBody("DEFECT", "The gateway failed at this");
      return { text, stays: false };
    }
  }
}
