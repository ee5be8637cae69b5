/**
 * Owns what every image and disk has beneath the program: the C library, certificates, accounts, and folders to write to.
 * Must not know what is put on top of it, nor how it is packed.
 * Invariant: nothing of it is needless: there is no shell and no package manager in it.
 */
import type { UnpackedPackage } from "../debian/packages.ts";
import type { BaseName } from "../document/schema.ts";
import { fileEntry, folderEntry, linkEntry, type RootEntry, RootError } from "./entry.ts";

/** The user that everything runs as, and its group. */
export const USER_ID = 65532;
/** Where state is kept. */
export const STATE_FOLDER = "/var/lib/outrider";
/** The certificates of those who vouch for servers. */
export const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

const ALWAYS: readonly string[] = ["ca-certificates", "libc6"];
/** What programs of each runtime are linked with beside the C library. */
const LIBRARIES: Readonly<Record<BaseName, readonly string[]>> = {
  bun: [],
  node: ["libatomic1", "libgcc-s1", "libstdc++6"],
  deno: ["libgcc-s1"],
};

/** Names of the packages that it is made of; they are wanted without what they need. */
export function systemPackages(base: BaseName): string[] {
  return [...ALWAYS, ...LIBRARIES[base]];
}

/** What of a package is in it. */
const PARTS: Readonly<Record<string, RegExp>> = {
  "libc6":
    /^usr\/lib(64)?\/(\w+-linux-gnu\/)?(ld-linux[\w.-]*|lib(c|m|mvec|dl|pthread|rt|resolv|util|nss_\w+)\.so\.\d+)$/,
  "ca-certificates": /^$/,
};
const ANY_PART = /^usr\/lib\/.+\.so\.[\d.]+$/;
const COPYRIGHT = /^usr\/share\/doc\/[^/]+\/copyright$/;
const CERTIFICATE = /^usr\/share\/ca-certificates\/.+\.crt$/;

/** The system, made of the packages that `systemPackages` names. */
export function systemEntries(packages: readonly UnpackedPackage[], architecture: string): RootEntry[] {
  const parts = packages.flatMap(({ name, entries }) =>
    entries.filter(({ path }) => (PARTS[name] ?? ANY_PART).test(path) || COPYRIGHT.test(path))
  );
  return [
    ...["dev", "etc", "proc", "run", "sys", "usr", "usr/bin", "usr/lib64", "usr/sbin", "var"].map((path) =>
      folderEntry(path)
    ),
    ...["bin", "lib", "lib64", "sbin"].map((path): RootEntry => linkEntry(path, `usr/${path}`)),
    folderEntry("tmp", 0o1777),
    folderEntry("var/tmp", 0o1777),
    folderEntry(STATE_FOLDER, 0o750, USER_ID),
    fileEntry("etc/passwd", `root:x:0:0:root:/root:/usr/sbin/nologin\n${ACCOUNT}\n`),
    fileEntry("etc/group", `root:x:0:\noutrider:x:${USER_ID}:\n`),
    fileEntry("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    fileEntry("usr/lib/os-release", OS_RELEASE),
    linkEntry("etc/os-release", "../usr/lib/os-release"),
    fileEntry(CERTIFICATES, certificatesOf(packages)),
    ...parts,
    ...installedEntries(packages, architecture),
  ];
}

/** What tells scanners which packages are there, and whose versions have known faults. */
export function installedEntries(packages: readonly UnpackedPackage[], architecture: string): RootEntry[] {
  return packages.map(({ name, version }) =>
    fileEntry(
      `var/lib/dpkg/status.d/${name}`,
      `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\nArchitecture: ${architecture}\n`,
    )
  );
}

const ACCOUNT = `outrider:x:${USER_ID}:${USER_ID}:outrider:${STATE_FOLDER}:/usr/sbin/nologin`;
const OS_RELEASE =
  'ID=debian\nNAME="Debian GNU/Linux"\nPRETTY_NAME="Outrider on Debian 13"\nVERSION_CODENAME=trixie\nVERSION_ID="13"\n';

function certificatesOf(packages: readonly UnpackedPackage[]): string {
  const all = packages.flatMap(({ entries }) => entries).filter(({ path }) => CERTIFICATE.test(path))
    .sort((a, b) => a.path < b.path ? -1 : 1);
  const texts = all.flatMap((each) =>
    each.type === "file" ? [new TextDecoder().decode(each.bytes).trimEnd()] : []
  );
  if (texts.length === 0) throw new RootError("There are no certificates in the package ca-certificates");
  return `${texts.join("\n")}\n`;
}
