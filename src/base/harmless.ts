/**
 * Owns making text harmless for a terminal: whatever it holds, it can't move the cursor, clear the screen, set the title, or
 * pass itself off as something else.
 * Must not know where the text comes from, nor where it goes.
 * Invariant: the result has no control character but tabs and the line breaks that are asked for, and, with colour, colour
 * codes; of JSON, every value stays what it is.
 */

const UNSAFE = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
/** The same with line breaks allowed. */
const UNSAFE_TEXT = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** CSI, then strings (OSC, DCS, APC, PM, SOS) up to their end or the end of the line, then two-character escapes. */
const SEQUENCE =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;

const COLOUR = /^\x1b\[[0-9;:]*m$/;

const CONTROL = /[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * The lines of a text, harmless. A carriage return starts the line anew, as on a terminal: what stands last is kept.
 *
 * @param colour Whether colours are kept.
 */
export function harmlessLines(text: string, colour: boolean): readonly string[] {
  const lines = text.endsWith("\n") ? text.slice(0, -1) : text;
  if (!UNSAFE.test(lines)) return [lines];
  return lines.split(/\r?\n/).map((line) => harmless(line, colour));
}

/** One line, harmless; line breaks within it become visible. */
export function harmless(line: string, colour = false): string {
  if (!UNSAFE.test(line)) return line;
  const last = line.split("\r").findLast((part) => part !== "") ?? "";
  let coloured = false;
  const without = last.replace(SEQUENCE, (sequence) => {
    if (!colour || !COLOUR.test(sequence)) return "";
    coloured = true;
    return sequence;
  });
  const visible = without.replace(CONTROL, picture).replaceAll("\n", "␊");
  return coloured ? `${visible}\x1b[0m` : visible;
}

/**
 * A text of several lines, harmless. A carriage return within a line becomes visible: what stands before it is not hidden.
 *
 * @param colour Whether colours are kept.
 */
export function harmlessText(text: string, colour: boolean = false): string {
  if (!UNSAFE_TEXT.test(text)) return text;
  const without = text.replaceAll("\r\n", "\n").replace(
    SEQUENCE,
    (sequence) => colour && COLOUR.test(sequence) ? sequence : "",
  );
  return without.replace(CONTROL, picture);
}

/** Text with its lines after the first set in, so that none passes for a line of its own; those that are already stay so. */
export function indented(text: string): string {
  return text.trimEnd().replaceAll(
    /(?:\r?\n|\r)( {2})?/g,
    (_, isSetIn?: string) => isSetIn === undefined ? "\n    " : "\n  ",
  );
}

/** JSON, harmless: what a terminal would obey in a string is escaped, and what is no string can hold none of it. */
export function harmlessJson(json: string): string {
  if (!UNSAFE_TEXT.test(json)) return json;
  return json.replace(
    new RegExp(UNSAFE_TEXT, "g"),
    (control) => control < " " ? " " : `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Ways to print, of which the plain one is harmless by itself: a command that knows of none of this does no harm. */
export interface Printing {
  /** Prints text for a person: no control characters but line breaks and tabs, and no colours. */
  write(text: string): void;
  /** The same with the colours that are in it; only for what was painted by us. */
  coloured(text: string): void;
  /** Prints JSON. Its values stay what they are. */
  json(text: string): void;
  /** Prints as it is: what a live view draws with, and bytes that were asked for as such. */
  raw(text: string): void;
}

/** Ways to print to where `raw` prints. */
export function printing(raw: (text: string) => void): Printing {
  return {
    write: (text) => raw(harmlessText(text)),
    coloured: (text) => raw(harmlessText(text, true)),
    json: (text) => raw(harmlessJson(text)),
    raw,
  };
}

/** The picture that Unicode has for a control character; nothing for those that only change direction. */
function picture(control: string): string {
  const code = control.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : code < 0xa0 ? "�" : "";
}
