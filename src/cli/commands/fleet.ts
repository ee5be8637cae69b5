/**
 * Owns the list of the commands `outrider fleet …`. One more is a file in fleet/ and a line here.
 * Must not know what any of them does.
 */
import { buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { command as add } from "./fleet/add.ts";
import { command as init } from "./fleet/init.ts";
import { command as keys } from "./fleet/keys.ts";
import { command as revoke } from "./fleet/revoke.ts";
import { command as status } from "./fleet/status.ts";

/** `outrider fleet` */
export const command: RouteMap<CliContext> = buildRouteMap<string, CliContext>({
  routes: { keys, init, add, revoke, status },
  docs: {
    brief: "Set up NATS servers for a fleet of devices, and look at it",
    fullDescription: `Sets up NATS servers for thousands of devices, in the place of a gateway: docs/fleet.md.

  outrider fleet keys ours                                 make keys, and a configuration for the servers
  outrider fleet init --nats nats://HOST:4222 --keys ours  make the streams, say what is wrong with settings
  outrider fleet add pi-7 --keys ours -o pi-7.creds        credentials for one device
  outrider fleet revoke pi-7 --nats … --keys ours          let it in no more
  outrider fleet status --nats … --keys ours               streams, devices, what is wrong`,
  },
});
