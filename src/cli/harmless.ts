/**
 * Owns making text of tasks harmless for a terminal: whatever it holds, it can't move the cursor, clear the screen, set
 * the title, or pass itself off as a line of another task.
 * Must not know where the text goes.
 * Invariant: the result has no control character but tabs, and, with colour, colour codes that are closed at its end.
 */

const UNSAFE = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** CSI, then strings (OSC, DCS, APC, PM, SOS) up to their end or the end of the text, then two-character escapes. */
const SEQUENCE =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;

const COLOUR = /^\x1b\[[0-9;:]*m$/;

const CONTROL = /[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

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

/** The picture that Unicode has for a control character; nothing for those that only change direction. */
function picture(control: string): string {
  const code = control.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : code < 0xa0 ? "�" : "";
}
