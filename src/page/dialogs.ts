/**
 * Owns dialogs, and the two questions that every page of a run asks: whether to cancel, and for the token.
 * Must not know what happens with the answers.
 * Invariant: nothing is done without a deliberate press; Escape leaves everything as it is.
 */
import { h } from "./dom.ts";

/** Asks whether to cancel. @param cancel Does it. */
export function askCancel(name: string, cancel: (because: string) => Promise<void>): void {
  const because = h("input", [], {
    type: "text",
    maxlength: 200,
    placeholder: "no reason given",
    id: "because",
  });
  const failed = h("p", "", { class: "why", role: "alert" });
  const go = h("button", "Cancel the run", { type: "submit", class: "danger" });
  const dialog = openDialog("Cancel this run?", [
    h("p", `All running tasks of ${name} are stopped, and nothing new starts. This can't be taken back.`),
    h("p", [h("label", "Why, for the record", { for: "because" }), because]),
    failed,
    h("p", [go, keep("Let it run")], { class: "choice" }),
  ], async () => {
    go.disabled = true;
    try {
      await cancel(because.value.trim() === "" ? "cancelled on the page" : because.value.trim());
      dialog.close();
    } catch (error) {
      failed.textContent = `It could not be cancelled: ${(error as Error).message}`;
      go.disabled = false;
    }
  });
}

/** Asks for the token. @param use Takes it. */
export function askToken(use: (token: string) => void): void {
  const token = h("input", [], { type: "password", autocomplete: "off", required: true, id: "token" });
  const dialog = openDialog("Token of the run", [
    h(
      "p",
      "It is in the address that the terminal shows, behind #token=, and tasks have it as OUTRIDER_TOKEN. It stays in this tab.",
    ),
    h("p", [h("label", "Token", { for: "token" }), token]),
    h("p", [h("button", "Use it", { type: "submit" }), keep("Not now")], { class: "choice" }),
  ], () => {
    dialog.close();
    use(token.value);
  });
}

/** A button that leaves everything as it is. */
export function keep(text: string): HTMLButtonElement {
  return h("button", text, {
    type: "button",
    onclick: (event) => (event.target as Element).closest("dialog")!.close(),
  });
}

/** Opens a dialog with a form. @param act Called when it is sent. */
export function openDialog(
  title: string,
  content: readonly Node[],
  act: () => void | Promise<void>,
): HTMLDialogElement {
  const dialog = h("dialog", [
    h("form", [h("h2", title), ...content], {
      onsubmit: (event) => {
        event.preventDefault();
        void act();
      },
    }),
  ], { "aria-label": title, onclose: () => dialog.remove() });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
