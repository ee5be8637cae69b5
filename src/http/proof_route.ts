/**
 * Owns the route by which a client and the executor show each other that they know the same token, before it is sent.
 * Must not know what the token lets in to.
 * Invariant: nothing is proven to a client that has not proven itself, so that nobody can have tokens tried here faster than
 * by sending them.
 */
import { isChallenge, proofOf } from "../base/proof.ts";
import { sameText, unauthorized } from "./access.ts";
import { answer } from "./answer.ts";
import { Refuse } from "./failure.ts";
import type { Ctx, Parts, Route } from "./parts.ts";
import { Query } from "./query.ts";

/** The route. */
export function proofRoutes(parts: Parts): Route[] {
  return [{ method: "get", path: "/proof", who: "anyone", answer: (c) => prove(c, parts) }];
}

async function prove(c: Ctx, { gate }: Parts): Promise<Response> {
  const challenge = new Query(c.req.url, ["challenge"]).text("challenge") ?? "";
  if (!isChallenge(challenge)) {
    throw new Refuse(400, "QUERY", {
      message: "A challenge is 32 to 128 hexadecimal digits in small letters: send ?challenge=DIGITS",
    });
  }
  const given = /^proof ([0-9a-f]{64})$/i.exec(c.req.raw.headers.get("authorization") ?? "")?.[1];
  if (given === undefined) throw unauthorized("No proof came with the request");
  let known: string | undefined;
  for (const token of gate.tokens()) {
    if (sameText(given, await proofOf(token, "client", challenge))) known = token;
  }
  if (known === undefined) throw unauthorized("The token is not one of this run");
  return answer(JSON.stringify({ proof: await proofOf(known, "executor", challenge) }));
}
