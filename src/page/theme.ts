/**
 * Owns the colours that canvases draw with, read from the style sheet, so that they are said once.
 * Must not know what is drawn.
 */
import { STANDING_NAMES, type StandingName } from "./words.ts";

/** Colours as the style sheet has them now. */
export interface Theme {
  readonly text: string;
  readonly muted: string;
  readonly panel: string;
  readonly line: string;
  readonly edge: string;
  readonly accent: string;
  readonly failure: string;
  readonly any: string;
  readonly loop: string;
  readonly font: string;
  /** By standing: a strong colour and one to fill with, on which text is legible. */
  readonly strong: Readonly<Record<StandingName, string>>;
  readonly fill: Readonly<Record<StandingName, string>>;
}

/** Reads the colours. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const by = (prefix: string) =>
    Object.fromEntries(STANDING_NAMES.map((name) => [name, read(`${prefix}-${name}`)])) as Record<
      StandingName,
      string
    >;
  return {
    text: read("text"),
    muted: read("muted"),
    panel: read("panel"),
    line: read("line"),
    edge: read("edge"),
    accent: read("accent"),
    failure: read("failed"),
    any: read("any"),
    loop: read("loop"),
    font: getComputedStyle(document.body).fontFamily,
    strong: by("s"),
    fill: by("f"),
  };
}

/** Calls when the colours change. */
export function onTheme(changed: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
