/**
 * Owns the forms that ask for a token: at first, and once a session is over.
 * Must not know what it opens.
 * Invariant: a token is sent to the gateway that serves this page and kept nowhere.
 */
import { openDialog } from "../dialogs.ts";
import { h } from "../dom.ts";
import { signIn } from "./ask.ts";

/** Asks for a token until one opens the gateway. @param wrong What is said at first. */
export function askSignIn(signedIn: () => void, wrong = ""): void {
  const token = tokenInput("token");
  const failed = h("p", wrong, { class: "why", role: "alert" });
  const go = h("button", "Sign in", { type: "submit", class: "main" });
  const form = h("form", [
    h("h1", "Outrider gateway"),
    h(
      "p",
      "The token of a user opens it: the one that the gateway was started with, or one that it has made.",
    ),
    h("p", [h("label", "Token", { for: "token" }), token]),
    failed,
    h("p", [go], { class: "choice" }),
  ], {
    onsubmit: async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        await signIn(token.value.trim());
        main.remove();
        signedIn();
      } catch (error) {
        failed.textContent = (error as Error).message;
        go.disabled = false;
        token.select();
      }
    },
  });
  const main = h("main", [form], { class: "sign" });
  document.body.append(main);
  document.title = "Sign in: Outrider gateway";
  token.focus();
}

/** Asks for it once more, above all that is shown, which stays. Who leaves the question begins anew. */
export function signInAgain(): Promise<void> {
  const token = tokenInput("token-again");
  const failed = h("p", "", { class: "why", role: "alert" });
  return new Promise((signedIn) => {
    let done = false;
    const dialog = openDialog("Sign in again", [
      h("p", "Your session is over. What is on the page stays as it is."),
      h("p", [h("label", "Token", { for: token.id }), token]),
      failed,
      h("p", [h("button", "Sign in", { type: "submit", class: "main" })], { class: "choice" }),
    ], async () => {
      try {
        await signIn(token.value.trim());
        done = true;
        dialog.close();
        signedIn();
      } catch (error) {
        failed.textContent = (error as Error).message;
        token.select();
      }
    });
    dialog.addEventListener("close", () => done || location.reload());
  });
}

function tokenInput(id: string): HTMLInputElement {
  return h("input", [], { type: "password", autocomplete: "off", required: true, id, maxlength: 4096 });
}
