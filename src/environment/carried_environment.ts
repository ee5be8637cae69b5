/**
 * Owns what an environment is on the device: the one document that a started executable reads, inside or beside it.
 * Must not know how it gets there, nor what is done with it.
 * Invariant: no secret is in it, only names; the same environment gives the same text.
 */
import type { Requires } from "../pipeline/document/manifest.ts";
import type { BundledPipeline } from "./bundled.ts";
import type { EnvironmentDocument } from "./document/schema.ts";

/** The document. */
export interface CarriedEnvironment {
  readonly outriderCarried: 1;
  readonly name: string;
  readonly version?: string;
  /** Laid beneath the variables of the process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly requires?: Requires;
  /** A bundle; absent: from the gateway. */
  readonly pipeline?: Readonly<Record<string, unknown>>;
}

/** Its text. */
export function carriedText(
  { name, version, env, secrets, requires }: EnvironmentDocument,
  bundle: BundledPipeline | undefined,
): string {
  const carried: CarriedEnvironment = {
    outriderCarried: 1,
    name,
    ...(version !== undefined && { version }),
    ...(env !== undefined && { env }),
    ...(secrets !== undefined && { secrets }),
    ...(requires !== undefined && { requires }),
    ...(bundle !== undefined && { pipeline: JSON.parse(bundle.text) as Readonly<Record<string, unknown>> }),
  };
  return `${JSON.stringify(carried)}\n`;
}
