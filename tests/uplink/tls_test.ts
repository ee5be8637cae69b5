/** What stands between Outrider and a gateway leads to the page for operators, by what each runtime really says of it. */
import assert from "node:assert/strict";
import { createServer as createPlain } from "node:http";
import { createServer as createTls } from "node:https";
import type { AddressInfo, Server } from "node:net";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { Wire } from "../../src/uplink/http/wire.ts";

/** A key that is nobody's, and a certificate that it has signed for itself. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgncPxUACNwrJWIF5u
/dZkskx/UvozBUNvdXmFU1JMfgyhRANCAATRNtVg6u9fc3THSSELEHcZTTEX6pog
h22L9/j0w3v8LyO/ys0LlerpaDLAFM6Cz5Zbsz5Z4+dT3hgdVtDJgek8
-----END PRIVATE KEY-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUD1Xi4ZwoAbJ7MiYjN6R2rgveiP8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzIyNTQzMloYDzIxMjYxMTAz
MjI1NDMyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATRNtVg6u9fc3THSSELEHcZTTEX6pogh22L9/j0w3v8LyO/ys0Llerp
aDLAFM6Cz5Zbsz5Z4+dT3hgdVtDJgek8o28wbTAdBgNVHQ4EFgQUPzkrUSZrh0FK
lZEToVeULPCOziowHwYDVR0jBBgwFoAUPzkrUSZrh0FKlZEToVeULPCOziowDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgXZhZg6OOopcW8Sjn6kGV8ukI5K3MRK0Yl4SO5ictuTwCIQDb
ryJfUA7ziWMV1bk+37T0ImkidqaMLu/m1RMVtN6TTg==
-----END CERTIFICATE-----`;

/** What the gateway's line says when that is at its end. */
async function saidOf(server: Server, scheme: string): Promise<string> {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    const url = `${scheme}://localhost:${(server.address() as AddressInfo).port}`;
    const wire = new Wire({ url, clock: systemClock, fetch: (to, init) => fetch(to, init) });
    return await wire.call({ method: "GET", path: "/", timeoutMs: 30_000 }).then(
      () => "it answered",
      (error: Error) => error.message,
    );
  } finally {
    await new Promise((closed) => server.close(closed));
  }
}

test("a certificate of nobody's, and a port without TLS, lead to docs/operations.md", async () => {
  const hint = /^.+: see docs\/operations\.md#tls-and-a-private-certificate-authority$/s;
  const answering = { key: KEY, cert: CERTIFICATE };
  assert.match(await saidOf(createTls(answering, (_, response) => void response.end("{}")), "https"), hint);
  assert.match(await saidOf(createPlain((_, response) => void response.end("{}")), "https"), hint);
});
