/**
 * Owns which versions of a Python package a requirement takes: the order of versions of PEP 440, and its clauses.
 * Must not know what is installed.
 * Invariant: pure; a version that is none of PEP 440 is taken by no clause.
 */
import { PYTHON_REQUIREMENT } from "../../pipeline/document/requires.ts";

/** A requirement, read. */
export interface PythonRequirement {
  /** As PyPI compares names: small letters, single dashes. */
  readonly name: string;
  /** Such as `>=2.5`. */
  readonly clauses: readonly string[];
}

/** Reads what the schema has taken. */
export function requirementOf(text: string): PythonRequirement {
  const [, name = text, clauses = ""] = PYTHON_REQUIREMENT.exec(text) ?? [];
  return { name: normalName(name), clauses: clauses === "" ? [] : clauses.split(",") };
}

/** A package's name as it is compared. */
export function normalName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

/** Whether a version is one that all clauses take. */
export function takes(clauses: readonly string[], version: string): boolean {
  const found = parse(version);
  return clauses.length === 0 || found !== undefined && clauses.every((clause) => takesOne(clause, found));
}

/** Parts that are compared one after the other. */
interface Version {
  readonly epoch: number;
  readonly release: readonly number[];
  /** Before the release itself: `[-Infinity]` of a `.dev`, `[stage, number]`; `[Infinity]` of none. */
  readonly pre: readonly number[];
  /** -1: none. */
  readonly post: number;
  /** Infinity: none. */
  readonly dev: number;
}

const FORM =
  /^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?\s*$/;

const STAGES: Readonly<Record<string, number>> = { a: 0, alpha: 0, b: 1, beta: 1 };

function parse(text: string): Version | undefined {
  const match = FORM.exec(text.toLowerCase());
  if (match === null) return undefined;
  const [, epoch = "0", release = "", stage, number, bare, after, afterNumber, dev, devNumber] = match;
  const post = bare !== undefined ? Number(bare) : after !== undefined ? Number(afterNumber || 0) : -1;
  const none = dev !== undefined && post < 0 ? -Infinity : Infinity;
  return {
    epoch: Number(epoch),
    release: release.split(".").map(Number),
    pre: stage === undefined ? [none] : [STAGES[stage] ?? 2, Number(number || 0)],
    post,
    dev: dev === undefined ? Infinity : Number(devNumber || 0),
  };
}

/** Below 0: `a` is older. What stands behind a `+` makes no difference. */
function compare(a: Version, b: Version): number {
  return a.epoch - b.epoch || inOrder(a.release, b.release, 0) || inOrder(a.pre, b.pre, 0) ||
    a.post - b.post || (a.dev === b.dev ? 0 : a.dev - b.dev);
}

function inOrder(a: readonly number[], b: readonly number[], fill: number): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const [x, y] = [a[at] ?? fill, b[at] ?? fill];
    // Infinity less Infinity is no number.
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function takesOne(clause: string, found: Version): boolean {
  const [, operator = "", text = ""] = /^(~=|==|!=|>=|<=|>|<)(.*)$/.exec(clause) ?? [];
  const [any, base] = text.endsWith(".*") ? [true, text.slice(0, -2)] : [false, text];
  const wanted = parse(base);
  if (wanted === undefined) return false;
  const apart = compare(found, wanted);
  switch (operator) {
    case "==":
      return any ? startsWith(found, wanted) : apart === 0;
    case "!=":
      return !(any ? startsWith(found, wanted) : apart === 0);
    case ">=":
      return apart >= 0;
    case "<=":
      return apart <= 0;
    case ">":
      // 1.7.post1 is not above 1.7 unless a post release was asked for.
      return apart > 0 && (wanted.post >= 0 || found.post < 0 || !sameRelease(found, wanted));
    case "<":
      // 1.7rc1 is not below 1.7 unless a pre-release was asked for.
      return apart < 0 && (isPre(wanted) || !isPre(found) || !sameRelease(found, wanted));
    default:
      return apart >= 0 && startsWith(found, { ...wanted, release: wanted.release.slice(0, -1) });
  }
}

function startsWith(found: Version, { epoch, release }: Version): boolean {
  return found.epoch === epoch && release.every((part, at) => (found.release[at] ?? 0) === part);
}

function sameRelease(a: Version, b: Version): boolean {
  return a.epoch === b.epoch && inOrder(a.release, b.release, 0) === 0;
}

function isPre({ pre, dev }: Version): boolean {
  return pre.length > 1 || dev !== Infinity;
}
