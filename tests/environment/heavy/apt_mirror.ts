/**
 * Owns a mirror of Debian on loopback that hands out what this machine's apt fetches, with Debian's own signatures: so the
 * product's client is tried on real packages of both architectures, and only apt asks beyond this machine.
 * Must not know what is tested.
 * Invariant: what was fetched once is kept below node_modules/.cache, and each mirror is closed by who opened it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { mirrorIn } from "../../../src/environment/debian/mirror.ts";
import { SUITE } from "../../../src/environment/debian/keys.ts";
import { ROOT } from "../../rig.ts";
import { type Mirror, serveMirror } from "../debian_rig.ts";

const FOLDER = join(ROOT, "node_modules/.cache/outrider-debian");

/**
 * Opens it.
 *
 * @param packages What will be asked for: apt fetches it all at once, with what it needs, since each call of it takes seconds.
 */
export async function serveApt(packages: readonly string[]): Promise<Mirror> {
  const apt = new Apt();
  for (const architecture of ["amd64", "arm64"]) apt.prepare(packages, architecture);
  return await serveMirror({ get: (path) => apt.find(path) });
}

/** This machine's apt, with lists of its own. */
class Apt {
  readonly #config: string = join(FOLDER, "apt.conf");
  /** By digest: the lists, unpacked. */
  readonly #lists: Map<string, Uint8Array> = new Map();

  constructor() {
    for (const folder of ["state/lists/partial", "cache/archives/partial", "debs/partial"]) {
      mkdirSync(join(FOLDER, folder), { recursive: true });
    }
    writeFileSync(join(FOLDER, "status"), "");
    writeFileSync(join(FOLDER, "sources.list"), this.#sources());
    writeFileSync(
      this.#config,
      [
        ...[["State", "state"], ["State::status", "status"], ["Cache", "cache"], [
          "Etc::sourcelist",
          "sources.list",
        ]]
          .map(([name, path]) => `Dir::${name} "${join(FOLDER, path!)}";`),
        'Dir::Etc::sourceparts "-"; Dir::Etc::trustedparts "/usr/share/keyrings"; Acquire::Languages "none";',
        'APT::Architecture "amd64"; APT::Architectures { "amd64"; "arm64"; }; APT::Sandbox::User "root";',
      ].join("\n"),
    );
    if (!existsSync(join(FOLDER, "updated"))) {
      this.#run("apt-get", ["update", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]);
      writeFileSync(join(FOLDER, "updated"), "");
    }
  }

  /** Fetches packages with what they need. */
  prepare(packages: readonly string[], architecture: string): void {
    const mark = join(FOLDER, `prepared-${architecture}-${[...packages].sort().join("-")}`);
    if (existsSync(mark)) return;
    const names = packages.map((name) => name.replace(/-ARCHITECTURE$/, `-${architecture}`));
    this.#run("apt-get", [
      "install",
      "--download-only",
      "--no-install-recommends",
      "--yes",
      ...["-o", `APT::Architecture=${architecture}`, "-o", `APT::Architectures=${architecture}`],
      ...["-o", `Dir::Cache::archives=${join(FOLDER, "debs")}/`],
      ...names,
    ]);
    writeFileSync(mark, "");
  }

  /** What lies at a path of the mirror. */
  find(path: string): Uint8Array | undefined {
    if (path.endsWith("/InRelease")) return readFileSync(this.#list(path));
    const list = /^(.*\/Packages)(\.gz)?$|^(.*)\/by-hash\/SHA256\/\w+$/.exec(path);
    if (list?.[3] !== undefined) return this.#byHash(`${list[3]}/Packages`, basename(path));
    return path.includes("/pool/") ? this.#deb(basename(path)) : undefined;
  }

  #byHash(path: string, hash: string): Uint8Array | undefined {
    if (this.#lists.has(hash)) return this.#lists.get(hash);
    const release = readFileSync(this.#list(path.replace(/\/main\/.*$/, "/InRelease")), "utf8");
    const name = path.replace(/^.*\/main\//, "main/");
    // apt keeps lists in a form of its own, so that only the plain one has a digest that Debian has signed.
    if (!new RegExp(`^ ${hash} +\\d+ ${name}$`, "m").test(release)) return undefined;
    const text = this.#run("/usr/lib/apt/apt-helper", ["cat-file", `${this.#list(path)}.lz4`]);
    this.#lists.set(hash, text);
    return text;
  }

  #deb(file: string): Uint8Array | undefined {
    const [name, version, architecture] = file.replace(/\.deb$/, "").split("_");
    const folder = join(FOLDER, "debs");
    // A file's name in a mirror has no epoch, and apt's has.
    const found = readdirSync(folder).find((each) => {
      const [first, second = "", third] = each.replace(/\.deb$/, "").split("_");
      return first === name && second.replace(/^\d+%3a/, "") === version && third === architecture;
    });
    return found === undefined ? undefined : readFileSync(join(folder, found));
  }

  #list(path: string): string {
    const { host } = new URL(this.#mirror());
    return join(FOLDER, "state/lists", `${host}${path}`.replaceAll("/", "_"));
  }

  #mirror(): string {
    const files = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"].filter(existsSync);
    const found = files.map((file) => mirrorIn(readFileSync(file, "utf8"))).find((each) =>
      each !== undefined
    );
    if (found === undefined) throw new Error("This machine's apt has no mirror of Debian");
    return found;
  }

  #sources(): string {
    const mirror = this.#mirror();
    return `deb ${mirror} ${SUITE} main\ndeb ${mirror}-security ${SUITE}-security main\n`;
  }

  #run(program: string, args: readonly string[]): Buffer {
    const env = { ...process.env, APT_CONFIG: this.#config };
    const caches = [
      "-o",
      "Dir::Cache::pkgcache=pkgcache.bin",
      "-o",
      "Dir::Cache::srcpkgcache=srcpkgcache.bin",
    ];
    const all = program.startsWith("apt-") ? [...caches, ...args] : args;
    return execFileSync(program, all, {
      cwd: FOLDER,
      env,
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 240_000,
    });
  }
}
