/**
 * Owns a terminal that no secret is written to.
 * Must not know what the secrets are.
 */
import type { Redactor } from "../../secrets/redactor.ts";
import type { CliRuntime } from "../line/context.ts";

/** The same stream, without what is secret in what is written at a time. */
export function redacted(stream: CliRuntime["stderr"], redactor: Redactor | undefined): CliRuntime["stderr"] {
  if (redactor === undefined || redactor.idle) return stream;
  return new Proxy(stream, {
    get(target, name) {
      if (name === "write") return (text: string) => target.write(redactor.text(text));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
