/**
 * Owns the keys of a fleet's servers: an operator, the account that all is stored in, the one that devices are in, the one
 * that the servers are asked by, and what each device may do.
 * Must not know where keys are kept.
 * Invariant: a device may write its own subjects alone and read what is its own, its groups' or everyone's; it can neither
 * delete anything nor read what another was told. A server holds a subject that is written to permissions, and never the
 * one that an answer is to go to: so devices have an account of their own, where answers reach nothing that is stored.
 */
import { toBase64Url } from "../base/base64_url.ts";
import { sha256 } from "../base/bytes.ts";
import { addressees, ANY, DEFAULT_EXPERIMENT, FLEET_STREAMS, part, SUBJECTS } from "./words.ts";

/** A key pair as a text that is kept: its seed. */
export interface FleetKey {
  readonly publicKey: string;
  readonly seed: string;
}

/** What a fleet's keys are; each a seed, but for what is public. */
export interface FleetKeys {
  readonly operator: FleetKey;
  /** The account that streams and gateways are in. */
  readonly account: FleetKey;
  /** The account that devices are in: what they may use of the other goes through it. */
  readonly devices: FleetKey;
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

/** An account may do what servers can: what is in it is limited by who is let in. */
const UNLIMITED = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
} as const;

/** What may be stored in the fleet's account, likewise. */
const STORAGE = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 } as const;

/** What devices listen on. */
const BELLS: readonly string[] = [
  SUBJECTS.instructions({ executor: ANY }),
  SUBJECTS.instructions({ group: ANY }),
  SUBJECTS.assignment({ executor: ANY }),
  SUBJECTS.assignment({ group: ANY }),
  SUBJECTS.flag(ANY, ANY),
];

/** What devices may ask of the fleet's account; each of them a part of it, by its permissions. */
const SERVICES: readonly string[] = [
  SUBJECTS.records(ANY, ANY, ANY),
  SUBJECTS.heartbeat(ANY),
  SUBJECTS.where(ANY),
  SUBJECTS.flag(ANY, ANY),
  SUBJECTS.flagService(ANY, ANY),
  ...lastOf(Object.values(FLEET_STREAMS).map((stream) => [stream, ">"])),
];

/**
 * The claims of the fleet's account. What it offers to devices as services is one export of everything, and what of it can
 * be had is in the imports of theirs ({@linkcode devicesClaims}): an answer to one service never goes on to another of the
 * same export, so that a device can't have an answer stored by naming a subject of those as the one to answer to.
 */
export function accountClaims({ operator, account }: FleetKeys, now: number): Promise<string> {
  return signed(operator, { sub: account.publicKey, name: "fleet", now }, {
    type: "account",
    exports: [
      { name: "services", subject: ">", type: "service" },
      ...BELLS.map((subject) => ({ name: subject, subject, type: "stream" })),
    ],
    limits: { ...UNLIMITED, ...STORAGE },
  });
}

/** The claims of the devices' account, which stores nothing. */
export function devicesClaims(
  { operator, account, devices }: FleetKeys,
  { revoked, now }: { readonly revoked: Revoked; readonly now: number },
): Promise<string> {
  const imported = (type: "service" | "stream") => (subject: string) => ({
    name: subject,
    subject,
    account: account.publicKey,
    type,
  });
  return signed(operator, { sub: devices.publicKey, name: "devices", now }, {
    type: "account",
    imports: [...SERVICES.map(imported("service")), ...BELLS.map(imported("stream"))],
    limits: UNLIMITED,
    ...(Object.keys(revoked).length > 0 && { revocations: revoked }),
  });
}

/** The claims of the account that servers are asked about themselves by. */
export function systemClaims({ operator, system }: FleetKeys, now: number): Promise<string> {
  return signed(operator, { sub: system.publicKey, name: "SYS", now }, {
    type: "account",
    limits: UNLIMITED,
  });
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

/** Credentials of a device, and the public key that they are revoked by. @param devices The account that devices are in. */
export async function deviceCreds(
  devices: FleetKey,
  { scope, now }: { readonly scope: DeviceScope; readonly now: number },
): Promise<{ readonly text: string; readonly publicKey: string }> {
  const user = await newFleetKey("user");
  const claims = { type: "user", subs: -1, data: -1, payload: -1, ...permissions(scope) };
  const jwt = await signed(devices, { sub: user.publicKey, name: scope.executor, now }, claims);
  return { text: credsText(jwt, user), publicKey: user.publicKey };
}

/** What a device may write and hear. */
export function permissions(
  { executor, groups, experiment = DEFAULT_EXPERIMENT }: DeviceScope,
): { readonly pub: { readonly allow: string[] }; readonly sub: { readonly allow: string[] } } {
  const whom = addressees(executor, groups);
  const instructions = whom.map(SUBJECTS.instructions);
  const assignments = whom.map(SUBJECTS.assignment);
  const flags = SUBJECTS.flag(experiment, ANY);
  const last: [string, string][] = [
    [FLEET_STREAMS.records, SUBJECTS.records(executor, ANY, ANY)],
    [FLEET_STREAMS.heartbeats, SUBJECTS.heartbeat(executor)],
    ...instructions.map((subject): [string, string] => [FLEET_STREAMS.instructions, subject]),
    ...assignments.map((subject): [string, string] => [FLEET_STREAMS.assignments, subject]),
    [FLEET_STREAMS.bundles, SUBJECTS.bundle(ANY, ANY)],
    [FLEET_STREAMS.flags, flags],
  ];
  return {
    pub: {
      allow: [
        SUBJECTS.records(executor, ANY, ANY),
        SUBJECTS.heartbeat(executor),
        SUBJECTS.where(executor),
        flags,
        SUBJECTS.flagService(experiment, ANY),
        ...lastOf(last),
      ],
    },
    sub: { allow: [`_INBOX.${part(executor)}.>`, ...instructions, ...assignments, flags] },
  };
}

/** Where the last messages of subjects are asked for: a request that names a sequence could read what others were told. */
function lastOf(of: readonly (readonly [stream: string, subject: string])[]): string[] {
  return of.flatMap(([stream, subject]) =>
    ["$JS.API", "$JS.*.API"].map((api) => `${api}.DIRECT.GET.${stream}.${subject}`)
  );
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
  return `${body}.${toBase64Url(signature)}`;
}

function encoded(value: unknown): string {
  return toBase64Url(new TextEncoder().encode(JSON.stringify(value)));
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
