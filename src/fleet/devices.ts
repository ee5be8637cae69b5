/**
 * Owns what an operator keeps of the devices that were given credentials, and telling servers who is let in.
 * Must not know where it is kept.
 */
import * as v from "valibot";
import { GatewayAnswerError } from "../uplink/errors.ts";
import { unpackedValue } from "./jetstream.ts";
import type { Revoked } from "./keys.ts";
import type { NatsWire, RequestLimits } from "./wire.ts";

const GivenCreds = v.array(
  v.looseObject({
    publicKey: v.string(),
    groups: v.array(v.string()),
    experiment: v.exactOptional(v.string()),
  }),
);
export type GivenCreds = v.InferOutput<typeof GivenCreds>;

/** The credentials that a device was given, oldest first. @param text What is kept of it. @throws {Error} If it is something else. */
export function givenCredsIn(text: string): GivenCreds {
  return v.parse(GivenCreds, JSON.parse(text));
}

const RevokedKeys = v.record(v.string(), v.number());

/** The keys that are revoked. @param text What is kept of them. @throws {Error} If it is something else. */
export function revokedKeysIn(text: string): Revoked {
  return v.parse(RevokedKeys, JSON.parse(text));
}

const Updated = v.looseObject({ data: v.looseObject({ code: v.literal(200) }) });

/**
 * Gives the servers new claims of an account, by which they end the connections of who is let in no more.
 *
 * @throws {GatewayAnswerError} If they do not take them.
 */
export async function updateClaims(system: NatsWire, claims: string, limits: RequestLimits): Promise<void> {
  const answer = await system.request("$SYS.REQ.CLAIMS.UPDATE", new TextEncoder().encode(claims), limits);
  const said = await unpackedValue(new Uint8Array(answer.data));
  if (v.is(Updated, said)) return;
  throw new GatewayAnswerError(
    `The servers did not take who is revoked: ${
      JSON.stringify(said)?.slice(0, 300)
    }: restart them with the server.conf that was written`,
  );
}
