/**
 * Owns what the OpenAPI document of the end point says beside its routes. Loaded only when it is asked for.
 * Must not know any route.
 */
import { openApiDocument } from "../base/web/openapi.ts";
import type { Route } from "../base/web/route.ts";
import { SCHEMAS } from "./schema.ts";

/** The document, OpenAPI 3.1. */
export function endPointDocument(routes: readonly Route[]): Readonly<Record<string, unknown>> {
  return openApiDocument(routes, {
    info: {
      title: "Outrider's local end point",
      description:
        "Status, store, events, logs and metrics of an executor while a run goes on. docs/http.md explains it.",
    },
    server: "The address is in the log, in OUTRIDER_URL and in the state directory",
    tags: [
      { name: "status", description: "Open to anyone who reaches the address" },
      { name: "store", description: "What all tasks of the run share" },
      { name: "events", description: "What tasks publish" },
      { name: "logs", description: "The combined log, and the records of what happened" },
      { name: "run", description: "The run as a whole" },
      { name: "files", description: "What tasks of the run have kept" },
    ],
    schemas: SCHEMAS,
    refusal: SCHEMAS.Refusal,
    securitySchemes: {
      token: { type: "http", scheme: "bearer", description: "The run's token, OUTRIDER_TOKEN" },
    },
    security: { token: [{ token: [] }] },
    unauthorized: { access: "token", what: "No token that lets in came with the request" },
  });
}
