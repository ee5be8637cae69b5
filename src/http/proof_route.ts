/**
 * Owns the route by which a client and the executor show each other that they know the same token, before it is sent.
 * Must not know what the token lets in to.
 * Invariant: nothing is proven to a client that has not proven itself, so that nobody can have tokens tried here faster than
 * by sending them.
 */
import { isChallenge, proofOf } from "../base/proof.ts";
import { Refuse } from "../base/web/refuse.ts";
import { type Parameter, type Route, route } from "../base/web/route.ts";
import { sameText } from "../base/web/same_text.ts";
import { unauthorized } from "./access.ts";
import { answer } from "./answer.ts";
import type { Parts } from "./parts.ts";
import { SCHEMAS } from "./schema.ts";

const CHALLENGE: Parameter<string> = {
  description: "32 to 128 random hexadecimal digits in small letters",
  schema: { type: "string", pattern: "^[0-9a-f]{32,128}$" },
  missing: noChallenge,
  read: ([text]) => {
    if (isChallenge(text)) return text;
    throw noChallenge();
  },
};

function noChallenge(): Refuse {
  return new Refuse(400, "QUERY", {
    message: "A challenge is 32 to 128 hexadecimal digits in small letters: send ?challenge=DIGITS",
  });
}

/** The route. */
export function proofRoutes(parts: Parts): Route[] {
  return [route({
    id: "getProof",
    method: "get",
    path: "/proof",
    tag: "status",
    summary: "That the executor knows the same token, before it is sent",
    description:
      "The client sends Authorization: Proof PROOF; a proof is HMAC-SHA-256 by the token, in hexadecimal digits: the client's of `outrider client CHALLENGE`, the executor's of `outrider executor CHALLENGE`.",
    access: "anyone",
    query: { challenge: CHALLENGE },
    answers: {
      200: { what: "The executor's proof", bodies: { "application/json": SCHEMAS.Proof } },
      401: { what: "The client's proof fits no token" },
    },
    handle: ({ request, query }) => prove(request.headers, query.challenge!, parts),
  })];
}

async function prove(headers: Headers, challenge: string, { gate }: Parts): Promise<Response> {
  const given = /^proof ([0-9a-f]{64})$/i.exec(headers.get("authorization") ?? "")?.[1];
  if (given === undefined) throw unauthorized("No proof came with the request");
  let known: string | undefined;
  for (const token of gate.tokens()) {
    if (sameText(given, await proofOf(token, "client", challenge))) known = token;
  }
  if (known === undefined) throw unauthorized("The token is not one of this run");
  return answer(JSON.stringify({ proof: await proofOf(known, "executor", challenge) }));
}
