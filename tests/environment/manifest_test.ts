/** Holds Kubernetes' manifest of docs/environments.md to the image and the agent that it is for, without a cluster. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { readConfig } from "../../src/config/config.ts";
import { VARIABLES } from "../../src/config/variables.ts";
import { STATE_FOLDER, USER_ID } from "../../src/environment/root/system.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { world } from "../http/rig.ts";
import { ROOT } from "../rig.ts";

const [, MANIFEST = ""] =
  /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs/environments.md"), "utf8")) ??
    [];

/** All that stands behind a key. */
function valuesOf(key: string): string[] {
  return [...MANIFEST.matchAll(new RegExp(`\\b${key}: *("[^"]*"|[^,\\n}]+)`, "g"))].map(([, value]) =>
    value!.replaceAll('"', "").trim()
  );
}

test("the manifest asks for what the image is: its user, its state, nothing written and no capability", () => {
  assert.deepEqual([...new Set(["runAsUser", "runAsGroup", "fsGroup"].flatMap(valuesOf))], [String(USER_ID)]);
  assert.deepEqual(valuesOf("mountPath"), [STATE_FOLDER, "/tmp"]);
  const [names, mounted] = [
    valuesOf("emptyDir").length,
    [...MANIFEST.matchAll(/name: (\w+), (?:emptyDir|mountPath)/g)].map(([, name]) => name),
  ];
  assert.equal(names, 2);
  assert.deepEqual(mounted, ["state", "tmp", "state", "tmp"]);
  for (
    const [key, value] of [["readOnlyRootFilesystem", "true"], ["allowPrivilegeEscalation", "false"]] as const
  ) {
    assert.deepEqual(valuesOf(key), [value]);
  }
  assert.match(MANIFEST, /capabilities: \{ drop: \["ALL"\] \}/);
  assert.match(MANIFEST, /args: \["agent", "--follow"\]/);
});

test("the manifest's variables are the agent's, and its probes ask what answers without a token, where it listens", async () => {
  const names = [...MANIFEST.matchAll(/\{ name: (OUTRIDER_\w+)/g)].map(([, name]) => name!);
  // Nothing that an agent needs is missing among them.
  const values = new Map(
    [...MANIFEST.matchAll(/\{ name: (OUTRIDER_\w+), (?:value: "?([^"\n}]*?)"? \}|valueFrom)/g)].map((
      [, name, value],
    ) => [name!, value ?? "a-token-of-32-characters-or-more-for-both"]),
  );
  assert.deepEqual([...values.keys()], names);
  const port = {
    env: (name: string) => values.get(name),
    readText: () => Promise.reject(new Error("It is not asked for")),
  };
  assert.deepEqual((await readConfig({ ...runtime, ...port })).problems, []);
  const known = new Set(Object.values(VARIABLES).map(({ name }) => name));
  assert.ok(names.length >= 4);
  assert.deepEqual(names.filter((name) => !known.has(name)), []);
  const serve = /OUTRIDER_SERVE, value: "0\.0\.0\.0:(\d+)"/.exec(MANIFEST);
  assert.deepEqual([...new Set(valuesOf("port"))], [serve![1]]);
  assert.deepEqual(valuesOf("path"), ["/livez", "/readyz"]);
  // Another address than loopback is not taken without a token.
  assert.ok(names.includes("OUTRIDER_SERVE_TOKEN"));
  // As the kubelet asks: by the pod's address, without a token.
  const { app } = world({ anyAddress: true, hosts: [] });
  for (const path of valuesOf("path")) {
    const answer = await app.request(`http://10.1.2.3:${serve![1]}${path}`, {
      headers: { host: `10.1.2.3:${serve![1]}` },
    });
    assert.ok([200, 503].includes(answer.status), `${path}: ${answer.status}`);
  }
});
