/**
 * Owns the options that installing and removing have, and what an installer is told by them.
 * Must not know which of both is done.
 */

/** Their values. */
export interface InstallerFlags {
  readonly user?: boolean;
  readonly root?: string;
  readonly dryRun?: boolean;
}

/** An option that is there or not. */
interface Switch {
  readonly kind: "boolean";
  readonly optional: true;
  readonly withNegated: false;
  readonly brief: string;
}

/** To be spread into a command's flags. */
export const installerFlags: {
  readonly user: Switch;
  readonly dryRun: Switch;
  readonly root: {
    readonly kind: "parsed";
    readonly parse: (input: string) => string;
    readonly optional: true;
    readonly placeholder: string;
    readonly brief: string;
  };
} = {
  user: {
    kind: "boolean",
    optional: true,
    withNegated: false,
    brief: "For this user alone: without root, and without a service",
  },
  dryRun: {
    kind: "boolean",
    optional: true,
    withNegated: false,
    brief: "Say what would be done, and do nothing",
  },
  root: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "DIR",
    brief: "In the file system below DIR, where nothing is started",
  },
};

/** The installer's arguments. */
export function installerArguments({ user, root, dryRun }: InstallerFlags): string[] {
  return [
    ...(user ? ["--user"] : []),
    ...(root === undefined ? [] : ["--root", root]),
    ...(dryRun ? ["--dry-run"] : []),
  ];
}
