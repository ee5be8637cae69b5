/**
 * Owns what is told of what is in an environment: a bill of materials, CycloneDX 1.6, made of the record of what was built.
 * Must not know how anything is built, nor where the bill is put.
 * Invariant: pure: the same record gives the same text, without clock and chance; each part that came as a file has its digest.
 */
import { sha256 } from "../../base/bytes.ts";
import { type MadeRecord, madeText, type UsedPart } from "../made.ts";

/** The name of the bill's file. */
export const SBOM_FILE = "environment.cdx.json";

/** The kinds of packages, by how their names begin in the record: how a purl begins, and what follows its version. */
const PURLS: Readonly<Record<string, { readonly type: string; readonly debian?: true }>> = {
  npm: { type: "npm" },
  deb: { type: "deb/debian", debian: true },
  pypi: { type: "pypi" },
};

/** The address of a package, as package URLs have it; `undefined` for what is of no such kind. */
export function purlOf({ name, version, target }: UsedPart): string | undefined {
  const [, kind = "", package_ = ""] = /^([a-z]+):(.+)$/.exec(name) ?? [];
  const known = Object.hasOwn(PURLS, kind) ? PURLS[kind]! : undefined;
  if (known === undefined) return undefined;
  const path = package_.split("/").map(encodeURIComponent).join("/");
  const machine = target?.endsWith("-x64") ? "amd64" : target?.split("-")[1];
  const more = known.debian && machine !== undefined ? `?arch=${machine}` : "";
  return `pkg:${known.type}/${path}@${encodeURIComponent(version)}${more}`;
}

/** The bill of an environment, as a text. */
export async function sbomText(record: MadeRecord): Promise<string> {
  const { name, version, outrider, files, used } = record;
  const own = "environment";
  const parts = [
    component("outrider", { type: "application", name: "outrider", version: outrider }),
    ...used.map(partOf),
    ...files.map(({ name, sha256 }) =>
      component(`file:${name}`, { type: "file", name, hashes: [{ alg: "SHA-256", content: sha256 }] })
    ),
  ];
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(await sha256(madeText(record)))}`,
    version: 1,
    metadata: {
      tools: { components: [{ type: "application", name: "outrider", version: outrider }] },
      component: component(own, { type: "application", name, ...(version !== undefined && { version }) }),
    },
    components: parts,
    dependencies: [{ ref: own, dependsOn: parts.map((part) => part["bom-ref"]) }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function component<T extends object>(ref: string, about: T): T & { readonly "bom-ref": string } {
  return { "bom-ref": ref, ...about };
}

function partOf(part: UsedPart) {
  const { name, version, target, digest, licence } = part;
  const purl = purlOf(part);
  const [algorithm = "", content = ""] = digest?.split(":") ?? [];
  return component(`${name}@${version}${target === undefined ? "" : ` ${target}`}`, {
    type: "library",
    name: name.replace(/^[a-z]+:/, ""),
    version,
    ...(purl !== undefined && { purl }),
    ...(digest !== undefined && { hashes: [{ alg: algorithm.replace("sha", "SHA-"), content }] }),
    ...(licence !== undefined && { licenses: [licenceOf(licence)] }),
    ...(target !== undefined && { properties: [{ name: "outrider:target", value: target }] }),
  });
}

/** An SPDX expression, or else what its author calls it. */
function licenceOf(licence: string) {
  return /^\(*[\w.+-]+\)*( (AND|OR|WITH) \(*[\w.+-]+\)*)*$/.test(licence) && licence !== "UNLICENSED"
    ? { expression: licence }
    : { license: { name: licence } };
}

/** A UUID made of a digest (version 8: of what one likes). */
function uuidOf(digest: string): string {
  const [a, b, c, d, e] = [[0, 8], [8, 12], [13, 16], [17, 20], [20, 32]].map(([from, to]) =>
    digest.slice(from, to)
  );
  return `${a}-${b}-8${c}-a${d}-${e}`;
}
