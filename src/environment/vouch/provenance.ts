/**
 * Owns what is told of how an environment came to be: an in-toto statement with SLSA's provenance (v1), made of the record
 * of what was built.
 * Must not know how anything is built, nor who signs the statement.
 * Invariant: pure: the same record gives the same text; nothing of the machine that built it is told.
 */
import type { MadeRecord } from "../made.ts";
import { purlOf } from "./sbom.ts";

/** The name of the statement's file. */
export const PROVENANCE_FILE = "environment.intoto.json";

/** The statement of an environment, as a text. */
export function provenanceText({ name, version, outrider, kinds, files, used }: MadeRecord): string {
  const targets = [...new Set(files.flatMap(({ target }) => target ?? []))].sort();
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: files.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "urn:outrider:environment:1",
        externalParameters: { name, ...(version !== undefined && { version }), kinds, targets },
        resolvedDependencies: used.map((part) => ({
          uri: purlOf(part) ?? part.name,
          ...(part.digest !== undefined && { digest: digestsOf(part.digest) }),
        })),
      },
      runDetails: { builder: { id: "urn:outrider:environment-build", version: { outrider } } },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}

function digestsOf(digest: string): Record<string, string> {
  const [algorithm = "", content = ""] = digest.split(":");
  return { [algorithm]: content };
}
