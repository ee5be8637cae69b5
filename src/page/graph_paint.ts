/**
 * Owns how the graph looks: boxes, lines and their level of detail.
 * Must not know how one moves about in it.
 * Invariant: what lies outside of the window costs nothing but a comparison.
 */
import type { TaskView } from "./model.ts";
import { BOX_HEIGHT, type EdgeKind, type Placed } from "./place.ts";
import type { Theme } from "./theme.ts";
import { STANDINGS } from "./words.ts";

/** Where the window stands over the graph: screen = graph × scale + offset. */
export interface Window {
  x: number;
  y: number;
  scale: number;
  /** Of the window, in CSS pixels. */
  width: number;
  height: number;
}

/** Below these scales: no text, no arrows, no outlines. */
const TEXT_SCALE = 0.5, ARROW_SCALE = 0.35, OUTLINE_SCALE = 0.22;

const FONT = 13, MARK = 20;

/** Whether a rectangle of the graph is in the window. */
export function isSeen(
  window: Window,
  [left, top, right, bottom]: readonly [number, number, number, number],
): boolean {
  const { x, y, scale, width, height } = window;
  return right * scale + x >= 0 && left * scale + x <= width && bottom * scale + y >= 0 &&
    top * scale + y <= height;
}

/** Draws all lines that are seen. */
export function paintLines(
  context: CanvasRenderingContext2D,
  { placed, kinds, window, theme }: {
    readonly placed: Placed;
    readonly kinds: readonly EdgeKind[];
    readonly window: Window;
    readonly theme: Theme;
  },
): void {
  const colours: Readonly<Record<EdgeKind, string>> = {
    success: theme.edge,
    failure: theme.failure,
    any: theme.any,
    loop: theme.loop,
  };
  context.lineWidth = Math.max(1.2, 0.6 / window.scale);
  for (const kind of ["success", "any", "failure", "loop"] as const) {
    context.strokeStyle = context.fillStyle = colours[kind];
    context.setLineDash(kind === "loop" ? [6, 4] : kind === "any" ? [2, 3] : []);
    context.beginPath();
    const ends: Float64Array[] = [];
    placed.lines.forEach((line, at) => {
      if (kinds[at] !== kind || line.length < 4 || !isSeen(window, bounds(line))) return;
      const drawn = kind === "loop" ? aside(line) : line;
      curve(context, drawn);
      ends.push(drawn);
    });
    context.stroke();
    if (window.scale >= ARROW_SCALE) { for (const line of ends) arrow(context, line); }
  }
  context.setLineDash([]);
}

function bounds(line: Float64Array): [number, number, number, number] {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < line.length; at += 2) {
    left = Math.min(left, line[at]!);
    right = Math.max(right, line[at]!);
    top = Math.min(top, line[at + 1]!);
    bottom = Math.max(bottom, line[at + 1]!);
  }
  return [left, top, right, bottom];
}

/** A loop's line, bent aside so that it does not lie on the need that it goes back along. */
function aside(line: Float64Array): Float64Array {
  const end = line.length - 2;
  const [dx, dy] = [line[end]! - line[0]!, line[end + 1]! - line[1]!];
  const length = Math.hypot(dx, dy) || 1;
  const [x, y] = [-dy / length * 24, dx / length * 24];
  if (line.length < 6) {
    return Float64Array.of(
      line[0]!,
      line[1]!,
      (line[0]! + line[2]!) / 2 + x,
      (line[1]! + line[3]!) / 2 + y,
      line[2]!,
      line[3]!,
    );
  }
  return line.map((value, at) => at < 2 || at >= end ? value : value + (at % 2 === 0 ? x : y));
}

/** A smooth line through the middles of the parts between. */
function curve(context: CanvasRenderingContext2D, line: Float64Array): void {
  context.moveTo(line[0]!, line[1]!);
  const end = line.length - 2;
  for (let at = 2; at < end; at += 2) {
    const [x, y] = [line[at]!, line[at + 1]!];
    const [nextX, nextY] = at + 2 === end
      ? [line[end]!, line[end + 1]!]
      : [(x + line[at + 2]!) / 2, (y + line[at + 3]!) / 2];
    context.quadraticCurveTo(x, y, nextX, nextY);
  }
  if (line.length === 4) context.lineTo(line[2]!, line[3]!);
}

function arrow(context: CanvasRenderingContext2D, line: Float64Array): void {
  const end = line.length - 2;
  const [x, y] = [line[end]!, line[end + 1]!];
  const angle = Math.atan2(y - line[end - 1]!, x - line[end - 2]!);
  const wing = (turn: number) => [x - 8 * Math.cos(angle + turn), y - 8 * Math.sin(angle + turn)] as const;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(...wing(0.42));
  context.lineTo(...wing(-0.42));
  context.fill();
}

/** How wide a task's box is. @param measure Width of a text in the page's font. */
export function boxWidth(name: string, measure: (text: string) => number): number {
  return Math.min(230, Math.max(64, Math.ceil(measure(name)) + MARK + 22));
}

/** What a box is drawn with. */
export interface BoxPaint {
  readonly middle: readonly [number, number];
  readonly width: number;
  readonly scale: number;
  readonly theme: Theme;
  readonly selected: boolean;
}

/** Draws one task. */
export function paintBox(context: CanvasRenderingContext2D, task: TaskView, paint: BoxPaint): void {
  const { middle: [x, y], width, scale, theme, selected } = paint;
  const [left, top] = [x - width / 2, y - BOX_HEIGHT / 2];
  const { standing } = task;
  const strong = theme.strong[standing];
  context.beginPath();
  if (scale < OUTLINE_SCALE) {
    context.rect(left, top, width, BOX_HEIGHT);
    context.fillStyle = selected ? theme.accent : strong;
    context.fill();
    return;
  }
  context.roundRect(left, top, width, BOX_HEIGHT, task.kind === "sync" ? BOX_HEIGHT / 2 : 7);
  context.fillStyle = theme.fill[standing];
  context.fill();
  if (standing === "running" && task.progress !== undefined) fillProgress(context, task, paint);
  context.lineWidth = selected ? 3 : standing === "running" ? 2 : 1.2;
  context.strokeStyle = selected ? theme.accent : strong;
  context.setLineDash(task.kind === "sync" || standing === "skipped" ? [4, 3] : []);
  context.stroke();
  context.setLineDash([]);
  if (scale >= TEXT_SCALE) label(context, task, paint);
}

function fillProgress(
  context: CanvasRenderingContext2D,
  task: TaskView,
  { middle: [x, y], width, theme }: BoxPaint,
): void {
  context.save();
  context.clip();
  context.fillStyle = theme.strong.running;
  context.globalAlpha = 0.25;
  context.fillRect(
    x - width / 2,
    y - BOX_HEIGHT / 2,
    width * Math.min(1, Math.max(0, task.progress!.fraction)),
    BOX_HEIGHT,
  );
  context.restore();
}

function label(
  context: CanvasRenderingContext2D,
  task: TaskView,
  { middle: [x, y], width, theme }: BoxPaint,
): void {
  const left = x - width / 2;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillStyle = theme.strong[task.standing];
  context.font = `bold ${FONT}px ${theme.font}`;
  context.fillText(STANDINGS[task.standing].mark, left + 10, y + 0.5);
  context.fillStyle = theme.text;
  context.font = `${FONT}px ${theme.font}`;
  context.fillText(shortened(context, task.name, width - MARK - 16), left + MARK + 8, y + 0.5);
}

const short: Map<string, string> = new Map();

/** A name cut to a width; what was cut once is remembered. */
function shortened(context: CanvasRenderingContext2D, name: string, width: number): string {
  const known = short.get(name);
  if (known !== undefined) return known;
  let text = name;
  if (context.measureText(text).width > width) {
    let length = Math.floor(name.length * width / context.measureText(text).width);
    do text = `${name.slice(0, length--)}…`; while (length > 0 && context.measureText(text).width > width);
  }
  if (short.size > 20_000) short.clear();
  short.set(name, text);
  return text;
}
