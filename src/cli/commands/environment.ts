/**
 * Owns the list of the commands `outrider environment …`. One more is a file in environment/ and a line here.
 * Must not know what any of them does.
 * Invariant: what a command needs beyond its options is loaded only when it runs.
 */
import { buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { command as build } from "./environment/build.ts";
import { command as deploy } from "./environment/deploy.ts";
import { command as init } from "./environment/init.ts";
import { command as inspect } from "./environment/inspect.ts";
import { command as install } from "./environment/install.ts";
import { command as sign } from "./environment/sign.ts";
import { command as verify } from "./environment/verify.ts";
import { command as list } from "./environment/list.ts";
import { command as pull } from "./environment/pull.ts";
import { command as push } from "./environment/push.ts";
import { command as remove } from "./environment/remove.ts";

/** `outrider environment` */
export const command: RouteMap<CliContext> = buildRouteMap<string, CliContext>({
  routes: { init, build, inspect, sign, verify, push, pull, list, deploy, install, remove },
  docs: {
    brief: "Make environments for devices: executables, scripts, images, virtual machines",
    fullDescription: `Makes what takes Outrider, and what a pipeline needs, to devices: docs/environments.md.

  outrider environment init                          write a first environment.json
  outrider environment build environment.json -o out make what it says
  outrider environment inspect out                   tell what was made
  outrider environment sign out --sign ours.key      sign it
  outrider environment verify out --trust ours.pub   is it what was signed?
  outrider environment push out probe                keep it in the gateway, for devices and docker
  outrider environment pull probe -o out             fetch it again
  outrider environment deploy pi-7 probe             have a device fetch it, try it, and stay with it
  outrider environment install probe                 install it on this machine, or upgrade it
  outrider environment remove --purge                take it away, without a trace`,
  },
});
