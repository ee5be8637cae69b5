/**
 * Owns how a pointer, two fingers or a wheel move what is shown.
 * Must not know what that is.
 * Invariant: a press that hardly moves is a click, and nothing else.
 */

/** Farthest that a click may wander, CSS pixels. */
const CLICK_PX = 5;

type Point = readonly [number, number];

/** Who is told; points are in CSS pixels from the element's corner. */
export interface Moved {
  drag(dx: number, dy: number): void;
  zoom(factor: number, at: Point): void;
  click(at: Point): void;
}

/** Listens on an element, whose `touch-action` must be `none`. */
export function moving(element: HTMLElement, { drag, zoom, click }: Moved): void {
  const pressed: Map<number, Point> = new Map();
  let wandered = 0;
  const at = ({ clientX, clientY }: MouseEvent): Point => {
    const { left, top } = element.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (pressed.size === 0) wandered = 0;
    pressed.set(event.pointerId, at(event));
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    const before = pressed.get(event.pointerId);
    if (before === undefined) return;
    const now = at(event);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    const other = [...pressed].find(([id]) => id !== event.pointerId)?.[1];
    pressed.set(event.pointerId, now);
    wandered += Math.hypot(dx, dy);
    if (other === undefined) {
      if (wandered > CLICK_PX) drag(dx, dy);
      return;
    }
    const [was, is] = [distance(before, other), distance(now, other)];
    if (was > 0 && is > 0) zoom(is / was, [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    drag(dx / 2, dy / 2);
  });
  element.addEventListener("pointerup", (event) => {
    if (pressed.delete(event.pointerId) && pressed.size === 0 && wandered <= CLICK_PX) click(at(event));
  });
  element.addEventListener("pointercancel", (event) => pressed.delete(event.pointerId));
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey) drag(-event.deltaY * lines, 0);
    else zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), at(event));
  }, { passive: false });
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
