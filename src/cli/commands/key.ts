/**
 * Owns `outrider key`: makes keys that sign, and shows the public one of a secret one.
 * Must not know what is signed.
 */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { CliContext, CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { passwordIn, readKey } from "../run/signing.ts";

interface Flags {
  readonly passwordFile?: string;
}

const passwordFile = {
  kind: "parsed",
  parse: String,
  optional: true,
  placeholder: "FILE",
  brief: "The secret key's password is the first line of FILE (default: it has none)",
} as const;

async function make(this: CliContext, { passwordFile }: Flags, name: string): Promise<void> {
  const { stdout, stderr } = this.runtime;
  const [secretFile, publicFile] = [`${name}.key`, `${name}.pub`];
  for (const file of [secretFile, publicFile]) await refuseKnown(file, this.runtime);
  const [{ makeSecretKey }, { publicKeyText }] = await Promise.all([
    import("../../trust/secret_key.ts"),
    import("../../trust/minisign.ts"),
  ]);
  const password = passwordFile === undefined ? undefined : await passwordIn(passwordFile, this.runtime);
  const key = await makeSecretKey();
  await this.runtime.writeText(secretFile, await key.text(password), 0o600);
  await this.runtime.writeText(publicFile, publicKeyText(key.publicKey));
  stdout.write(`${key.publicKey.text}\n`);
  stderr.write(
    `Key ${key.publicKey.id}: ${secretFile} signs${
      password === undefined ? ", for whoever has it" : ""
    }; ${publicFile} is for OUTRIDER_TRUST\n`,
  );
}

/** A key that is overwritten is gone, and with it whatever trusts it alone. */
async function refuseKnown(file: string, { about }: CliRuntime): Promise<void> {
  if (await about(file) === undefined) return;
  throw new UsageError(`${file} is there already, and no key is overwritten: choose another NAME`);
}

async function show(this: CliContext, { passwordFile }: Flags, file: string): Promise<void> {
  const { publicKey } = await readKey(file, passwordFile, this.runtime);
  this.runtime.stdout.write(`${publicKey.text}\n`);
  this.runtime.stderr.write(`Key ${publicKey.id}\n`);
}

/** `outrider key` */
export const command: RouteMap<CliContext> = buildRouteMap({
  routes: {
    new: buildCommand<Flags, [string], CliContext>({
      func: make,
      parameters: {
        positional: {
          kind: "tuple",
          parameters: [{
            placeholder: "NAME",
            brief: "Writes NAME.key, for who signs alone, and NAME.pub",
            parse: String,
          }],
        },
        flags: { passwordFile },
      },
      docs: { brief: "Make a key that signs bundles and environments" },
    }),
    public: buildCommand<Flags, [string], CliContext>({
      func: show,
      parameters: {
        positional: {
          kind: "tuple",
          parameters: [{ placeholder: "FILE", brief: "A secret key", parse: String }],
        },
        flags: { passwordFile },
      },
      docs: { brief: "Print the public key of a secret one" },
    }),
  },
  docs: {
    brief: "Make keys that sign bundles and environments, and show public ones",
    fullDescription: `Makes keys that sign bundles and environments, and shows public ones.

Keys and signatures are those of minisign, which reads and verifies them too. To change a key, let devices trust
both for a while (OUTRIDER_TRUST=new.pub,old.pub), sign with the new one, then take the old one away. To revoke
one, take it away, or add !ID.`,
  },
});
