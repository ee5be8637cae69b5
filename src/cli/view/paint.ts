/**
 * Owns colours: which there are, when they are used, and that a task keeps its own.
 * Must not know what is painted.
 * Invariant: plain paint changes nothing, and loads no library.
 */
import type { Output } from "../../runtime/port.ts";

type Brush = (text: string) => string;

/** The colours that the views use. */
export interface Paint {
  readonly on: boolean;
  readonly bold: Brush;
  readonly dim: Brush;
  readonly good: Brush;
  readonly bad: Brush;
  readonly warn: Brush;
  /** In the colour of this task. */
  task(name: string, text: string): string;
}

const same: Brush = (text) => text;

/** Paint without colour. */
export const plainPaint: Paint = {
  on: false,
  bold: same,
  dim: same,
  good: same,
  bad: same,
  warn: same,
  task: (_name, text) => text,
};

/** Paint with the sixteen colours that every terminal has, so that they follow its theme. */
export async function colourPaint(): Promise<Paint> {
  const { Ansis } = await import("ansis");
  const ansi = new Ansis(1);
  // Red and yellow are left to failures and warnings.
  const tasks: readonly Brush[] = [
    ansi.cyan,
    ansi.magenta,
    ansi.blue,
    ansi.cyanBright,
    ansi.magentaBright,
    ansi.blueBright,
    ansi.greenBright,
  ];
  return {
    on: true,
    bold: ansi.bold,
    dim: ansi.dim,
    good: ansi.green,
    bad: ansi.red,
    warn: ansi.yellow,
    task: (name, text) => tasks[hash(name) % tasks.length]!(text),
  };
}

/** Prints lines that were painted so. */
export function printed(lines: string, output: Pick<Output, "write" | "coloured">, { on }: Paint): void {
  if (on) output.coloured(lines);
  else output.write(lines);
}

/** Whether an output may be more than plain lines: a terminal that can, a person who has not said no, and no CI. */
export function isRich(output: Pick<Output, "isTTY">, env: (name: string) => string | undefined): boolean {
  const ci = isSet(env("CI")) && !isNo(env("CI")!);
  return output.isTTY && !isSet(env("NO_COLOR")) && !ci && env("TERM") !== "dumb";
}

/**
 * Whether what is printed on an output has colours: as `FORCE_COLOR` says, which wins over all else, or as the output may be
 * more than plain lines.
 */
export function isColoured(
  output: Pick<Output, "isTTY">,
  env: (name: string) => string | undefined,
): boolean {
  const forced = env("FORCE_COLOR");
  return isSet(forced) ? !isNo(forced) : isRich(output, env);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function isNo(value: string): boolean {
  return /^(0|false|no)$/i.test(value);
}

/** FNV-1a, so that a name has the same colour in every run. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) value = Math.imul(value ^ name.charCodeAt(at), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
