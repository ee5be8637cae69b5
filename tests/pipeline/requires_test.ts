/** What a task may require: how it is written, and what is said of it where it is written wrong. */
import assert from "node:assert/strict";
import test from "node:test";
import { CAPABILITIES } from "../../src/model/capability.ts";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import { checkManifest } from "../../src/pipeline/document/check.ts";
import { together } from "../../src/pipeline/document/requires.ts";

function problemsOf(requires: unknown): string[] {
  const document = { outrider: 1, name: "p", tasks: { a: { requires } } };
  return checkManifest(document).problems.map(({ place, message }) => `${place}: ${message}`);
}

test("all that a task may require can be written", () => {
  const requires = {
    commands: ["ping", "/usr/sbin/tcpdump", "g++", "["],
    packages: { debian: ["iputils-ping", "libstdc++6", "0ad"] },
    python: ["numpy", "scapy>=2.5,<3", "ruamel.yaml[jinja2,x]~=0.17.0", "a==1.*", "b!=1!2.0rc1.post2.dev3"],
    capabilities: ["NET_RAW", "CHECKPOINT_RESTORE"],
    devices: ["/dev/ttyUSB0", "/dev/net/tun", "/dev/..data"],
    memory: "512MiB",
  } as const;
  assert.deepEqual(problemsOf(requires), []);
  assert.deepEqual(problemsOf({}), []);
  const p = pipeline("built", { module: import.meta.url });
  p.task("a", () => 1, { requires });
  p.command("b", ["true"], { requires: { commands: ["true"] } });
  const { tasks } = p.manifest();
  assert.deepEqual(tasks["a"]!.requires, requires);
  assert.deepEqual(tasks["b"]!.requires, { commands: ["true"] });
});

test("whatever is written wrong is told with its place, all of it at once", () => {
  const said = problemsOf({
    commands: ["ping -c 1", "-x", "", "a/b", 5],
    packages: { debian: ["Tcpdump", "a b", "x=1"], alpine: [] },
    python: ["numpy >= 1", "x; os_name == 'nt'", "x @ https://example.org/x.whl", "-r x.txt", "x=="],
    capabilities: ["CAP_NET_RAW"],
    devices: ["/etc/passwd", "/dev", "/dev/../etc/shadow", "/dev/a b", "/dev/./x"],
    memory: "lots",
    colour: 1,
  });
  const places = said.map((line) => line.replace(/: .*/s, ""));
  const at = (key: string, count: number) =>
    Array.from({ length: count }, (_, n) => `tasks.a.requires.${key}[${n}]`);
  assert.deepEqual(places.sort(), [
    ...at("capabilities", 1),
    "tasks.a.requires.colour",
    ...at("commands", 5),
    ...at("devices", 5),
    "tasks.a.requires.memory",
    "tasks.a.requires.packages.alpine",
    ...at("packages.debian", 3),
    ...at("python", 5),
  ]);
  const text = said.join("\n");
  assert.match(text, /commands\[0\]: Must be the name of a program.*; received "ping -c 1"/);
  assert.match(text, /capabilities\[0\]: .*received "CAP_NET_RAW": did you mean "NET_RAW"/);
  assert.match(text, /memory: Must be a size such as 512MiB; received "lots"/);
});

test("capabilities stand at the numbers of their bits", () => {
  const bits = { CHOWN: 0, NET_ADMIN: 12, NET_RAW: 13, SYS_ADMIN: 21, CHECKPOINT_RESTORE: 40 } as const;
  for (const [name, bit] of Object.entries(bits)) assert.equal(CAPABILITIES[bit], name);
});

test("several requirements are one: each entry once, the most memory", () => {
  assert.deepEqual(together([]), {});
  assert.deepEqual(
    together([
      { commands: ["tcpdump", "ping"], memory: "64MiB", packages: { debian: ["b"] } },
      {},
      { commands: ["ping"], memory: "65536KiB", devices: ["/dev/b", "/dev/a"] },
      { memory: "100000000", packages: { debian: ["a", "b"] }, capabilities: ["NET_RAW"], python: ["x"] },
    ]),
    {
      commands: ["ping", "tcpdump"],
      packages: { debian: ["a", "b"] },
      python: ["x"],
      capabilities: ["NET_RAW"],
      devices: ["/dev/a", "/dev/b"],
      memory: "100000000",
    },
  );
});
