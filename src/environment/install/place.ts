/**
 * Owns where installers put what they install, as install.sh has it.
 * Must not know what is installed.
 */

/** Where something is installed. */
export interface InstalledPlace {
  /** The folder of its versions; what is taken away with the last of them lies there. */
  readonly prefix: string;
  /** The agent's variables, a line each. */
  readonly configuration: string;
}

/** The place for all users, or for one; below `root`, if that is given. */
export function installedPlace(
  { user, root = "" }: { readonly user?: boolean; readonly root?: string },
  env: (name: string) => string | undefined,
): InstalledPlace {
  const below = root.replace(/\/$/, "");
  if (!user) return { prefix: `${below}/opt/outrider`, configuration: `${below}/etc/outrider.env` };
  const home = env("HOME") ?? "";
  return {
    prefix: `${env("XDG_DATA_HOME") || `${home}/.local/share`}/outrider`,
    configuration: `${env("XDG_CONFIG_HOME") || `${home}/.config`}/outrider.env`,
  };
}

/** The value of a variable in a configuration; `undefined` if it has none. */
export function configuredIn(text: string, name: string): string | undefined {
  const line = text.split("\n").findLast((each) => each.startsWith(`${name}=`));
  return line?.slice(name.length + 1).trim().replace(/^(['"])(.*)\1$/, "$2") || undefined;
}
