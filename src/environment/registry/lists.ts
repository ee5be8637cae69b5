/**
 * Owns the lists of a registry: repositories, and tags of one, page by page.
 * Must not know what is under any name.
 * Invariant: a list ends, whatever the registry says comes next.
 */
import { looseText } from "../../base/utf8.ts";
import { jsonValue } from "../../model/json_text.ts";
import { isRepository, TAG } from "../../model/oci.ts";
import { RegistryError } from "./error.ts";
import type { RegistryLine } from "./line.ts";
import { nextPage, pullOf, tried } from "./pull.ts";

const MAX_PAGES = 100;

/** Names of all repositories, where the registry tells. */
export async function repositoriesOf(line: RegistryLine): Promise<readonly string[]> {
  const names = await namesOf(line, {
    path: "/v2/_catalog",
    key: "repositories",
    scope: "registry:catalog:*",
  });
  return names.filter(isRepository);
}

/** All tags of a repository. */
export async function tagsOf(line: RegistryLine, repository: string): Promise<readonly string[]> {
  const path = `/v2/${repository}/tags/list`;
  const names = await namesOf(line, { path, key: "tags", scope: pullOf(repository) });
  return names.filter((tag) => TAG.test(tag));
}

interface Listing {
  readonly path: string;
  readonly key: string;
  readonly scope: string;
}

async function namesOf(line: RegistryLine, { path, key, scope }: Listing): Promise<string[]> {
  const names: string[] = [];
  let next: string | undefined = path;
  for (let pages = 0; next !== undefined && pages < MAX_PAGES; pages++) {
    const call = { method: "GET", path: next, scope } as const;
    const { found, link } = await tried(line, async () => {
      const response = await line.ask(call);
      if (response.status !== 200) throw await line.refused(call, response);
      return { found: await line.whole(response), link: response.headers.get("link") };
    });
    names.push(...namesIn(looseText(found), key, line.name(call)));
    next = nextPage(link, `${line.url}${path}`);
  }
  return names;
}

function namesIn(text: string, key: string, name: string): string[] {
  try {
    const found = (jsonValue(text) as Readonly<Record<string, unknown>> | null)?.[key];
    if (found === null) return [];
    if (Array.isArray(found)) return found.map(String);
  } catch {
    // Told below.
  }
  throw new RegistryError(`${name} was answered with no list: is there a registry?`);
}
