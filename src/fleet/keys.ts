/**
 * Owns the keys of a fleet's servers: an operator, the account that all is stored in, the one that the servers are asked by,
 * and what each device may do.
 * Must not know where keys are kept.
 * Invariant: a device may write its own subjects alone and read what is its own, its groups' or everyone's; it can neither
 * delete anything nor read what another was told.
 */
import { toBase64 } from "../base/base64.ts";
import { sha256 } from "../base/bytes.ts";
import { addressees, DEFAULT_EXPERIMENT, FLEET_STREAMS, part, SUBJECTS } from "./words.ts";

/** A key pair as a text that is kept: its seed. */
export interface FleetKey {
  readonly publicKey: string;
  readonly seed: string;
}

/** What a fleet's keys are; each a seed, but for what is public. */
export interface FleetKeys {
  readonly operator: FleetKey;
  /** The account that streams, devices and gateways are in. */
  readonly account: FleetKey;
  /** The account that servers are asked about themselves by. */
  readonly system: FleetKey;
}

/** What a device is to be. */
export interface DeviceScope {
  readonly executor: string;
  readonly groups: readonly string[];
  readonly experiment: string | undefined;
}

/** The keys of devices that may no longer connect, with the time in seconds up to which theirs were made. */
export type Revoked = Readonly<Record<string, number>>;

type KeyKind = "operator" | "account" | "user";

/** A new key. */
export async function newFleetKey(kind: KeyKind): Promise<FleetKey> {
  const { nkeys } = await import("./client.ts");
  const made = {
    operator: nkeys.createOperator,
    account: nkeys.createAccount,
    user: nkeys.createUser,
  }[kind]();
  return { publicKey: made.getPublicKey(), seed: new TextDecoder().decode(made.getSeed()) };
}

/** The key that a seed is of. @throws {Error} If it is none. */
export async function keyOfSeed(seed: string): Promise<FleetKey> {
  const { nkeys } = await import("./client.ts");
  const text = seed.trim();
  return { publicKey: nkeys.fromSeed(new TextEncoder().encode(text)).getPublicKey(), seed: text };
}

/** The operator's own claims. @param now Seconds since the epoch. */
export function operatorClaims({ operator, system }: FleetKeys, now: number): Promise<string> {
  return signed(operator, { sub: operator.publicKey, name: "outrider", now }, {
    type: "operator",
    system_account: system.publicKey,
  });
}

/** The claims of the fleet's account. */
export function accountClaims(
  { operator, account }: FleetKeys,
  { revoked, now }: { readonly revoked: Revoked; readonly now: number },
): Promise<string> {
  const unlimited = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    conn: -1,
    leaf: -1,
  };
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  return signed(operator, { sub: account.publicKey, name: "fleet", now }, {
    type: "account",
    limits: { ...unlimited, ...storage },
    ...(Object.keys(revoked).length > 0 && { revocations: revoked }),
  });
}

/** The claims of the account that servers are asked about themselves by. */
export function systemClaims({ operator, system }: FleetKeys, now: number): Promise<string> {
  const limits = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    conn: -1,
    leaf: -1,
  };
  return signed(operator, { sub: system.publicKey, name: "SYS", now }, { type: "account", limits });
}

/** Credentials of one who may do all within an account. */
export async function adminCreds(
  account: FleetKey,
  { name, now }: { readonly name: string; readonly now: number },
): Promise<string> {
  const user = await newFleetKey("user");
  return credsText(
    await signed(account, { sub: user.publicKey, name, now }, {
      type: "user",
      subs: -1,
      data: -1,
      payload: -1,
    }),
    user,
  );
}

/** Credentials of a device, and the public key that they are revoked by. */
export async function deviceCreds(
  account: FleetKey,
  { scope, now }: { readonly scope: DeviceScope; readonly now: number },
): Promise<{ readonly text: string; readonly publicKey: string }> {
  const user = await newFleetKey("user");
  const claims = { type: "user", subs: -1, data: -1, payload: -1, ...permissions(scope) };
  const jwt = await signed(account, { sub: user.publicKey, name: scope.executor, now }, claims);
  return { text: credsText(jwt, user), publicKey: user.publicKey };
}

/** What a device may write and hear. */
export function permissions(
  { executor, groups, experiment = DEFAULT_EXPERIMENT }: DeviceScope,
): { readonly pub: { readonly allow: string[] }; readonly sub: { readonly allow: string[] } } {
  const whom = addressees(executor, groups);
  const instructions = whom.map(SUBJECTS.instructions);
  const assignments = whom.map(SUBJECTS.assignment);
  const own = part(executor);
  const flags = `o.flag.${part(experiment)}.*`;
  const last: [string, string][] = [
    [FLEET_STREAMS.records, `o.rec.${own}.>`],
    [FLEET_STREAMS.heartbeats, SUBJECTS.heartbeat(executor)],
    ...instructions.map((subject): [string, string] => [FLEET_STREAMS.instructions, subject]),
    ...assignments.map((subject): [string, string] => [FLEET_STREAMS.assignments, subject]),
    [FLEET_STREAMS.bundles, "o.bundle.>"],
    [FLEET_STREAMS.flags, flags],
  ];
  // Only the last message of a subject: a request that names a sequence could read what others were told.
  const read = last.flatMap(([stream, subject]) =>
    ["$JS.API", "$JS.*.API"].map((api) => `${api}.DIRECT.GET.${stream}.${subject}`)
  );
  return {
    pub: {
      allow: [
        `o.rec.${own}.>`,
        SUBJECTS.heartbeat(executor),
        SUBJECTS.where(executor),
        flags,
        `o.do.flag.${part(experiment)}.*`,
        ...read,
      ],
    },
    sub: { allow: [`_INBOX.${own}.>`, ...instructions, ...assignments, flags] },
  };
}

async function signed(
  by: FleetKey,
  { sub, name, now }: { readonly sub: string; readonly name: string; readonly now: number },
  nats: Readonly<Record<string, unknown>>,
): Promise<string> {
  const { nkeys } = await import("./client.ts");
  const claims = { iat: Math.floor(now), iss: by.publicKey, name, sub, nats: { version: 2, ...nats } };
  const jti = await sha256(JSON.stringify(claims));
  const body = `${encoded({ typ: "JWT", alg: "ed25519-nkey" })}.${encoded({ jti, ...claims })}`;
  const bytes = new TextEncoder().encode(body);
  const signature = nkeys.fromSeed(new TextEncoder().encode(by.seed)).sign(bytes);
  return `${body}.${urlSafe(toBase64(signature))}`;
}

function encoded(value: unknown): string {
  return urlSafe(toBase64(new TextEncoder().encode(JSON.stringify(value))));
}

function urlSafe(base64: string): string {
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function credsText(jwt: string, { seed }: FleetKey): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
Whoever has this file is who it names. Keep it as a password.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------

*************************************************************
`;
}
