/**
 * Owns what the OpenAPI document of the gateway says beside its routes. Loaded only when it is asked for.
 * Must not know any route.
 */
import { openApiDocument } from "../base/web/openapi.ts";
import type { Route } from "../base/web/route.ts";
import * as protocol from "../protocol/messages.ts";

/** Schemas that the document names. */
const SCHEMAS = {
  Heartbeat: protocol.Heartbeat,
  HeartbeatReply: protocol.HeartbeatReply,
  Command: protocol.Instruction,
  NewCommand: protocol.NewInstruction,
  Batch: protocol.RecordBatch,
  BatchReply: protocol.BatchReply,
  Flag: protocol.SharedFlag,
  FlagOperation: protocol.FlagOperation,
  FlagReply: protocol.FlagReply,
  FlagValue: protocol.FlagValue,
  Submitted: protocol.Submitted,
  HandoutView: protocol.HandoutView,
  Withdrawn: protocol.Withdrawn,
  ExecutorView: protocol.ExecutorView,
  ExecutorQueue: protocol.ExecutorQueue,
  RunView: protocol.ReportedRun,
  Overview: protocol.Overview,
  NewSession: protocol.NewSession,
  SessionView: protocol.SessionView,
  NewToken: protocol.NewToken,
  TokenMade: protocol.TokenMade,
  ErrorReply: protocol.ErrorReply,
};

/** The document, OpenAPI 3.1. */
export function gatewayDocument(routes: readonly Route[]): Readonly<Record<string, unknown>> {
  return openApiDocument(routes, {
    info: {
      title: "Outrider gateway",
      description:
        "The end point of the core services: hands out pipelines, takes heartbeats, results and logs.",
    },
    schemas: SCHEMAS,
    refusal: protocol.ErrorReply,
    securitySchemes: {
      executor: { type: "http", scheme: "bearer", description: "An executor's token" },
      user: {
        type: "http",
        scheme: "bearer",
        description: "A user's token; the gateway's own page has a cookie in its place (POST /v1/session)",
      },
    },
    security: {
      executor: [{ executor: [] }],
      user: [{ user: [] }],
      either: [{ executor: [] }, { user: [] }],
    },
  });
}
