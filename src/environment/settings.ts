/**
 * Owns the text of outrider.env, where whoever starts a machine says what is not built in.
 * Must not know what reads it: systemd, the installer, and the first process of a virtual machine all take NAME='value'.
 * Invariant: no value of a secret is in it.
 */
import type { EnvironmentDocument } from "./document/schema.ts";

/** What is asked for in any case. */
const ASKED: readonly string[] = ["OUTRIDER_GATEWAY", "OUTRIDER_EXECUTOR_ID", "OUTRIDER_TOKEN"];

/** The text: one line for each that may be said, and none of them says anything. */
export function settingsText({ env = {}, secrets = [] }: EnvironmentDocument): string {
  const names = [...new Set([...ASKED, ...secrets])].filter((name) => !(name in env));
  const lines = names.map((name) => `#${name}=''`);
  return `# Configuration of this machine, NAME='value': take the # away from what you say.\n${
    lines.join("\n")
  }\n`;
}
