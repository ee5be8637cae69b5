/**
 * Owns the form that asks for a token.
 * Must not know what it opens.
 * Invariant: a token is sent to the gateway that serves this page and kept nowhere.
 */
import { h } from "../dom.ts";
import { signIn } from "./ask.ts";

/** Asks for a token until one opens the gateway. @param wrong What is said at first. */
export function askSignIn(signedIn: () => void, wrong = ""): void {
  const token = h("input", [], {
    type: "password",
    autocomplete: "off",
    required: true,
    id: "token",
    maxlength: 4096,
  });
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
