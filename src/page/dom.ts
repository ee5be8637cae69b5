/**
 * Owns making elements.
 * Must not know what they are for.
 * Invariant: text goes in as text, never as markup.
 */

/** What an element can hold. */
export type NodeLike = Node | string | undefined;

/** Attributes by name, beside listeners by `on…`. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | undefined | ((event: Event) => void)>
>;

/** Makes an element. A `true` attribute has no value; `false` and `undefined` leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  children: readonly NodeLike[] | string = [],
  attributes: Attributes = {},
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(
    ...(typeof children === "string" ? [children] : children.filter((child) => child !== undefined)),
  );
  return element;
}

/** Sets an element's text, if it is another one: what does not change is not painted again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute, if it is another one. */
export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (element.getAttribute(name) === (value ?? null)) return;
  if (value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Calls a function soon, once for all wishes within `everyMs`, just before the page is painted. */
export function painter(paint: () => void, everyMs = 80): () => void {
  let asked = false;
  let last = -Infinity;
  return () => {
    if (asked) return;
    asked = true;
    setTimeout(() =>
      requestAnimationFrame(() => {
        asked = false;
        last = performance.now();
        paint();
      }), Math.max(0, last + everyMs - performance.now()));
  };
}
