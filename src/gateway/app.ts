/**
 * Owns the gateway's app: its routes put together, and what becomes of their failures.
 * Must not know on which socket it is served.
 * Invariant: whatever a route throws becomes an answer in JSON; a defect becomes a 500 and is told to `onDefect`.
 */
import { Hono } from "hono";
import { MAX_BATCH_BYTES } from "../base/limits.ts";
import { Room } from "../base/reader_stream.ts";
import { admit } from "./access.ts";
import { Bells } from "./bells.ts";
import { Heard } from "./heard.ts";
import { Intake } from "./body.ts";
import type { Env, GatewayOptions, GatewayParts } from "./context.ts";
import { executorRoutes } from "./executor_routes.ts";
import { errorBody, GatewayOpenError, Refuse } from "./failure.ts";
import { flagRoutes } from "./flag_routes.ts";
import { queueRoutes } from "./queue_routes.ts";
import { userRoutes } from "./user_routes.ts";
import { LEASE_MS } from "./views.ts";

export type { GatewayOptions } from "./context.ts";

const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
/** Characters of records larger than a page that all readers together may have waiting for them. */
const ROOM_SIZE = 64 * 1024 * 1024;

/** Told of what no route foresaw. */
export interface GatewayDefects {
  readonly onDefect?: (error: unknown) => void;
}

/**
 * A reference gateway, to be given to any server: `serve(gatewayApp({ store, clock }).fetch)`.
 *
 * @throws {GatewayOpenError} If the store holds tokens, and none are asked for.
 */
export function gatewayApp(options: GatewayOptions & GatewayDefects): Hono<Env> {
  if (!options.tokens && options.store.tokens().length > 0) {
    throw new GatewayOpenError(
      "The gateway's database holds tokens, and without one at its start the gateway would let everybody in: set OUTRIDER_GATEWAY_TOKEN, give --token-file, or take another --db",
    );
  }
  const parts: GatewayParts = {
    maxBundleBytes: MAX_BUNDLE_BYTES,
    maxBatchBytes: MAX_BATCH_BYTES,
    leaseMs: LEASE_MS,
    hosts: [],
    ...options,
    tokens: options.tokens,
    bells: new Bells(),
    heard: new Heard(options.clock),
    intake: new Intake(options.clock),
    following: { count: 0 },
    room: new Room(ROOM_SIZE),
  };
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    await next();
    if (c.res.status >= 400) await parts.intake.rest(c.req.raw);
  });
  app.get("/v1/health", (c) => c.json({ ok: true }));
  app.get("/v1/openapi.json", async (c) => c.json((await import("./openapi.ts")).openApiDocument()));
  app.use("/v1/*", async (c, next) => {
    await admit(c, parts);
    await next();
  });
  executorRoutes(app, parts);
  flagRoutes(app, parts);
  queueRoutes(app, parts);
  userRoutes(app, parts);
  app.notFound((c) =>
    c.json(
      errorBody(
        "NO_ROUTE",
        `There is no ${c.req.method} ${c.req.path}: GET /v1/openapi.json says what there is`,
      ),
      404,
    )
  );
  app.onError((error, c) => {
    if (error instanceof Refuse) {
      if (error.status === 503) c.header("retry-after", "5");
      return c.json(errorBody(error.code, error.message), error.status);
    }
    options.onDefect?.(error);
    return c.json(errorBody("DEFECT", "The gateway failed at this: its own log says how"), 500);
  });
  return app;
}
