/**
 * Owns `outrider gateway`: serves the reference gateway until it is told to stop.
 * Must not know what the gateway does.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { UsageError } from "./errors.ts";
import { wholeNumber } from "./options.ts";

interface Flags {
  readonly port: number;
  readonly host: string;
  readonly db: string;
  readonly token?: string;
}

async function gateway(this: CliContext, { port, host, db, token }: Flags): Promise<void> {
  const { stdout, stderr } = this.runtime;
  if (token === undefined && !/^(localhost|127\.[\d.]+|::1)$/.test(host)) {
    throw new UsageError(
      `--host ${host} lets other machines in: give the gateway a --token, or keep to 127.0.0.1`,
    );
  }
  const [{ gatewayApp }, { Tokens }, { sqliteGatewayStore }, { systemClock }, { runtime }, { checkToken }] =
    await Promise
      .all([
        import("../gateway/app.ts"),
        import("../gateway/tokens.ts"),
        import("../gateway/sqlite.ts"),
        import("../base/clock.ts"),
        import("../runtime/runtime.ts"),
        import("../uplink/token.ts"),
      ]);
  const store = sqliteGatewayStore(db);
  try {
    const tokens = new Tokens(store);
    if (token !== undefined) await tokens.put({ name: "cli", kind: "both" }, checkToken(token));
    const app = gatewayApp({
      store,
      clock: systemClock,
      ...(token === undefined ? {} : { tokens }),
      onDefect: (error) => stderr.write(`${error instanceof Error ? error.stack : error}\n`),
    });
    const served = await runtime.serve({ fetch: (request) => app.fetch(request), hostname: host, port });
    stdout.write(`${served.url}\n`);
    stderr.write(
      `Gateway on ${served.url}, ${db === ":memory:" ? "in memory" : `kept in ${db}`}, ${
        token === undefined ? "for this machine only, without tokens" : "with a token"
      }; Ctrl-C ends it\n`,
    );
    await new Promise<void>((told) => {
      const unlisten = runtime.onSignal(() => {
        unlisten();
        told();
      });
    });
    await served.close();
  } finally {
    store.close();
  }
}

/** `outrider gateway` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: gateway,
  parameters: {
    flags: {
      port: {
        kind: "parsed",
        parse: wholeNumber(0, 65_535),
        default: "8410",
        placeholder: "N",
        brief: "Port; 0 for any that is free",
      },
      host: {
        kind: "parsed",
        parse: String,
        default: "127.0.0.1",
        placeholder: "ADDRESS",
        brief: "Address to listen on",
      },
      db: {
        kind: "parsed",
        parse: String,
        default: "outrider-gateway.db",
        placeholder: "FILE",
        brief: "Database; :memory: keeps nothing",
      },
      token: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "TOKEN",
        brief: "What users and executors have to send; needed to let other machines in",
      },
    },
  },
  docs: {
    brief: "Serve a reference gateway: hand out pipelines, take results and logs",
    fullDescription:
      `Serves a reference gateway: it hands out pipelines, takes heartbeats, results and logs, and holds flags.

Its address is the one line on stdout. Ctrl-C or SIGTERM ends it.`,
    customUsage: [
      "[--port N] [--db FILE] [--token TOKEN]",
      { input: "--token secret", brief: "on this machine, http://127.0.0.1:8410" },
      { input: "--host 0.0.0.0 --token secret", brief: "for other machines too; put TLS in front of it" },
    ],
  },
});
