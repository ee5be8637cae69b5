/**
 * Owns what a declared resource means: what holds where nothing is said, and what two pipelines declare together.
 * Must not know what is right about one (resources.ts); it takes what is written, however wrong. No package is needed here: the
 * builder has it in workers too.
 * Invariant: what means the same is the same, in whichever spelling.
 */
import { isRecord, type Manifest } from "./manifest.ts";

/** A resource as it is written, with what holds where nothing is said. */
export interface Declared {
  readonly name: string;
  readonly capacity: number;
  readonly scope: "run" | "device";
}

/** Resources as they are written, by names. */
type Written = Readonly<Record<string, unknown>>;

/** What is written of a resource, in the one form. */
export function declaredOf(written: unknown): Readonly<Record<keyof Omit<Declared, "name">, unknown>> {
  if (!isRecord(written)) return { capacity: written, scope: "run" };
  return { ...written, capacity: written["capacity"] ?? 1, scope: written["scope"] ?? "run" };
}

/** The resources that a pipeline without problems declares, in their order. */
export function declaredIn({ resources = {} }: Pick<Manifest, "resources">): Declared[] {
  return Object.entries(resources).map(([name, written]) => ({ name, ...declaredOf(written) }) as Declared);
}

/** Resources of both pipelines; what both declare is one. `unlike`: those of which they do not say the same. */
export function mergedResources<R extends Written>(
  own: R | undefined,
  more: R,
): { readonly resources: R; readonly unlike: readonly string[] } {
  const unlike = Object.keys(more).filter((name) =>
    own !== undefined && Object.hasOwn(own, name) && !isAlike(declaredOf(own[name]), declaredOf(more[name]))
  );
  return { resources: { ...more, ...own }, unlike };
}

function isAlike(one: Written, other: Written): boolean {
  return [...Object.keys(one), ...Object.keys(other)].every((key) => one[key] === other[key]);
}
