/**
 * Owns what is open to anyone who reaches the address: whether the executor lives, is ready, and how it stands.
 * Must not tell values or log lines.
 */
import { answer, TYPE } from "./answer.ts";
import { errorBody } from "./failure.ts";
import type { Parts, Route } from "./parts.ts";
import { Status } from "./status.ts";

/** The routes. */
export function statusRoutes(parts: Parts): Route[] {
  const status = new Status(parts.options, parts.redact);
  return [
    {
      method: "get",
      path: "/status",
      who: "anyone",
      answer: () => {
        const { text, able } = status.document();
        return able ? answer(text) : answer(text, { status: 503 });
      },
    },
    { method: "get", path: "/livez", who: "anyone", answer: () => answer("alive\n", { type: TYPE.text }) },
    {
      method: "get",
      path: "/readyz",
      who: "anyone",
      answer: () => {
        const unable = parts.options.unable?.();
        if (unable === undefined) return answer("ready\n", { type: TYPE.text });
        return answer(parts.redact(errorBody("UNABLE", unable)), { status: 503 });
      },
    },
  ];
}
