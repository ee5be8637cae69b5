/**
 * Owns the order of Debian's versions, as Debian's policy gives it (section 5.6.12).
 * Must not know what has the versions.
 */

/** Less than 0 if `a` is older than `b`, 0 if they are the same. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  return left.epoch - right.epoch || compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision);
}

/** Whether a version is as a dependency says: `(>= 2.3)`. */
export function fitsRelation(
  version: string,
  { relation, than }: { relation: string; than: string },
): boolean {
  const order = compareVersions(version, than);
  switch (relation) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
    default:
      return false;
  }
}

function parts(version: string): { epoch: number; upstream: string; revision: string } {
  const [, epoch = "0", rest = ""] = /^(?:(\d+):)?(.*)$/s.exec(version)!;
  const dash = rest.lastIndexOf("-");
  return {
    epoch: Number(epoch),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

/** Texts and numbers in turns. */
function compareParts(a: string, b: string): number {
  const [left, right] = [a.match(/\D*\d*/g)!, b.match(/\D*\d*/g)!];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [x, y] = [left[at] ?? "", right[at] ?? ""];
    const [textX, textY] = [x.replace(/\d+$/, ""), y.replace(/\d+$/, "")];
    const order = compareTexts(textX, textY) ||
      compareNumbers(x.slice(textX.length), y.slice(textY.length));
    if (order !== 0) return order;
  }
  return 0;
}

function compareTexts(a: string, b: string): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const order = weight(a[at]) - weight(b[at]);
    if (order !== 0) return order;
  }
  return 0;
}

/** A tilde comes before everything, even the end; letters before what is none. */
function weight(character: string | undefined): number {
  if (character === "~") return -1;
  if (character === undefined) return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

/** Of any length. */
function compareNumbers(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return x.length - y.length || (x < y ? -1 : x > y ? 1 : 0);
}
