/**
 * Owns the configuration of a fleet's servers, as `outrider fleet keys` writes it.
 * Must not know where it is written.
 * Invariant: what is acknowledged is on the disk, and who has no credentials is not let in.
 */
import {
  accountClaims,
  devicesClaims,
  type FleetKeys,
  operatorClaims,
  type Revoked,
  systemClaims,
} from "./keys.ts";

/**
 * A configuration with other claims of an account in it, all else as the operator has it; `undefined` if it holds none.
 */
export function withAccountClaims(config: string, account: string, claims: string): string | undefined {
  const line = new RegExp(`^([ \\t]*${account}[ \\t]*:[ \\t]*)[^\\s}]+`, "m");
  return line.test(config) ? config.replace(line, (_, key: string) => `${key}${claims}`) : undefined;
}

/** The text of a server's configuration. @param now Seconds since the epoch. */
export async function serverConfig(
  keys: FleetKeys,
  { revoked, now }: { readonly revoked: Revoked; readonly now: number },
): Promise<string> {
  return `# For nats-server 2.15 or newer, made by outrider fleet keys: docs/fleet.md.
port: 4222
server_name: fleet-1
max_payload: 1MB

jetstream {
  store_dir: "./jetstream"
  # Else a power cut takes two minutes of what devices believe to be stored.
  sync_interval: always
}

# TLS, which devices outside of your network need:
# tls { cert_file: "./server.pem", key_file: "./server.key" }
# WebSockets, for networks that let nothing else out:
# websocket { port: 8443, tls { cert_file: "./server.pem", key_file: "./server.key" } }

operator: ${await operatorClaims(keys, now)}
system_account: ${keys.system.publicKey}
# Who is let in has so many seconds to prove who he is: on a bad line, more than the usual 2.
authorization { timeout: 20 }
resolver {
  type: full
  dir: "./accounts"
  allow_delete: false
}
resolver_preload {
  ${keys.account.publicKey}: ${await accountClaims(keys, now)}
  ${keys.devices.publicKey}: ${await devicesClaims(keys, { revoked, now })}
  ${keys.system.publicKey}: ${await systemClaims(keys, now)}
}
`;
}
