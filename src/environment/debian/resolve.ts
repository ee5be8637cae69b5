/**
 * Owns which packages are needed: those that are wanted, with all that they need.
 * Must not know where a package comes from, nor what is in it.
 * Invariant: the same list and wishes give the same packages in the same order; all that is missing is told at once.
 */
import { DebianError } from "./errors.ts";
import type { Alternative, DebianPackage, PackageList } from "./package_list.ts";
import { fitsRelation } from "./versions.ts";

/** Most packages of an environment. */
const MAX_PACKAGES = 500;

/** What packages need to be installed and configured, which does not happen here. */
const SPARED: ReadonlySet<string> = new Set(
  ["adduser", "cdebconf", "debconf", "debconf-2.0", "dpkg", "init-system-helpers", "install-info", "ucf"],
);

/**
 * Finds them.
 *
 * @param wanted Names, some with `=VERSION`. @param bare Names of packages that are wanted without what they need.
 * @returns By name.
 * @throws {DebianError} With all that is not there, and by what it is needed.
 */
export function neededPackages(
  list: PackageList,
  wanted: readonly string[],
  bare: readonly string[] = [],
): DebianPackage[] {
  const search = new Search(list, new Set(bare));
  for (const wish of [...new Set([...bare, ...wanted])].sort()) search.want(wish);
  return search.found();
}

/** Names of packages that do no more than name others, and of those that the newest of each names. */
export function withNamed(list: PackageList, standing: readonly string[]): string[] {
  return standing.flatMap((name) => [
    name,
    ...list.versions(name)[0]?.needs.flat().map((need) => need.name) ?? [],
  ]);
}

class Search {
  readonly #list: PackageList;
  readonly #bare: ReadonlySet<string>;
  readonly #taken: Map<string, DebianPackage> = new Map();
  readonly #problems: string[] = [];
  readonly #queue: DebianPackage[] = [];

  constructor(list: PackageList, bare: ReadonlySet<string>) {
    this.#list = list;
    this.#bare = bare;
  }

  /** Takes a package that was asked for by name. */
  want(wish: string): void {
    const [name, than] = wish.split("=") as [string, string?];
    const versions = this.#list.versions(name);
    const found = versions.find(({ version }) => than === undefined || version === than);
    if (found !== undefined) this.#take(found);
    else if (versions.length === 0) this.#problems.push(`There is no package ${name}`);
    else {this.#problems.push(`${name} has no version ${than}: there is ${
        versions.map((each) => each.version).join(", ")
      }`);}
  }

  found(): DebianPackage[] {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      for (const need of next.needs) this.#meet(next, need);
      if (this.#taken.size > MAX_PACKAGES) {
        throw new DebianError(`More than ${MAX_PACKAGES} packages would be needed: ask for less`);
      }
    }
    if (this.#problems.length > 0) throw new DebianError(this.#problems.join("; "));
    return [...this.#taken.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  #take(found: DebianPackage): void {
    if (this.#taken.has(found.name)) return;
    this.#taken.set(found.name, found);
    if (!this.#bare.has(found.name)) this.#queue.push(found);
  }

  #meet(by: DebianPackage, need: readonly Alternative[]): void {
    if (need.some((each) => SPARED.has(each.name) || this.#isMet(each))) return;
    const found = need.map((each) => this.#best(each)).find((each) => each !== undefined);
    if (found !== undefined) this.#take(found);
    else this.#problems.push(`${by.name} needs ${need.map(told).join(" or ")}, which is not there`);
  }

  #isMet(need: Alternative): boolean {
    const taken = this.#taken.get(need.name);
    if (taken !== undefined && fits(taken.version, need)) return true;
    return this.#list.providers(need.name).some((name) => provides(this.#taken.get(name), need));
  }

  #best(need: Alternative): DebianPackage | undefined {
    const own = this.#list.versions(need.name).find(({ version }) => fits(version, need));
    if (own !== undefined) return this.#taken.has(own.name) ? undefined : own;
    const names = this.#list.providers(need.name).filter((name) => !this.#taken.has(name));
    return names.flatMap((name) => this.#list.versions(name).slice(0, 1)).find((each) =>
      provides(each, need)
    );
  }
}

function fits(version: string, { version: wanted }: Alternative): boolean {
  return wanted === undefined || fitsRelation(version, wanted);
}

function provides(found: DebianPackage | undefined, need: Alternative): boolean {
  return found?.provides.some(({ name, version }) =>
    name === need.name && (need.version === undefined || (version !== undefined && fits(version.than, need)))
  ) ?? false;
}

function told({ name, version }: Alternative): string {
  return version === undefined ? name : `${name} (${version.relation} ${version.than})`;
}
