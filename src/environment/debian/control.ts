/**
 * Owns the form of Debian's lists: paragraphs of fields, one a line, some going on in the next lines.
 * Must not know what the fields mean.
 */

/** The paragraphs of a text. */
export function paragraphs(text: string): string[] {
  return text.split(/\n(?:[ \t]*\n)+/).filter((paragraph) => paragraph.trim() !== "");
}

/** A field of a paragraph, its lines joined by line feeds; `undefined` if there is none. */
export function fieldOf(paragraph: string, name: string): string | undefined {
  const start = paragraph.startsWith(`${name}:`) ? 0 : paragraph.indexOf(`\n${name}:`) + 1;
  if (start === 0 && !paragraph.startsWith(`${name}:`)) return undefined;
  let end = start;
  do {
    end = paragraph.indexOf("\n", end + 1);
  } while (end >= 0 && /[ \t]/.test(paragraph[end + 1] ?? ""));
  return paragraph.slice(start + name.length + 1, end < 0 ? undefined : end).trim();
}
