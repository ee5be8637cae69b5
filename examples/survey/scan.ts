/**
 * Owns finding out which hosts there are: those of the list that have an address.
 * Must not know how well they answer.
 */
import { lookup } from "node:dns/promises";
import type { TaskContext } from "../../mod.ts";

/** A host that was found. */
export interface Host {
  readonly name: string;
  readonly address: string;
}

export async function scan(
  { params, log }: TaskContext<unknown, { readonly hosts: readonly string[] }>,
): Promise<{ hosts: Host[] }> {
  if (!Array.isArray(params.hosts)) throw new TypeError(`hosts is a list of names; received ${params.hosts}`);
  const hosts: Host[] = [];
  for (const name of params.hosts) {
    try {
      const { address } = await lookup(name);
      hosts.push({ name, address });
    } catch (error) {
      log.warn(`${name} has no address: ${(error as Error).message}`);
    }
  }
  return { hosts };
}
