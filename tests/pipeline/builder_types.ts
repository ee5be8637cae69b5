/** What the builder's types let through and what not; checked by the compiler in pipeline_builder_test.ts, never run. */
import { pipeline } from "../../src/pipeline/builder/builder.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const p = pipeline("types");
const cpu = p.task("cpu", async () => ({ score: 1 }), { timeout: "10s" });
const disk = p.task("disk", () => 12.5);
const nothing = p.task("nothing", async () => {});
const sync = p.task("sync", { cpu, disk });

p.task("report", { cpu, d: disk, nothing, sync }, ({ inputs }) => {
  same<typeof inputs.cpu, { score: number }>(true);
  same<typeof inputs.d, number>(true);
  same<typeof inputs.nothing, void>(true);
  same<typeof inputs.sync, undefined>(true);
  // @ts-expect-error: there is no need of this name
  inputs.dsk;
  // @ts-expect-error: what cpu returns has no such key
  inputs.cpu.scor;
  // @ts-expect-error: inputs can't be changed
  inputs.d = 5;
});

// @ts-expect-error: no such task
p.task("misspelt", { cpuu }, () => 1);
// @ts-expect-error: a name is no handle
p.task("named", { cpu: "cpu" }, () => 1);

p.task("outcomes", { f: cpu.on("failure"), a: cpu.on("any"), s: disk.on("success") }, ({ inputs }) => {
  same<typeof inputs.f, undefined>(true);
  same<typeof inputs.a, { score: number } | undefined>(true);
  same<typeof inputs.s, number>(true);
});
// @ts-expect-error: no such outcome
cpu.on("failed");

p.task("any", { cpu, disk }, ({ inputs }) => {
  same<typeof inputs.cpu, { score: number } | undefined>(true);
  same<typeof inputs.disk, number | undefined>(true);
}, { join: "any" });

p.task("after", [cpu, disk.on("any")], ({ inputs, iteration, attempt }) => {
  same<typeof iteration, number>(true);
  same<typeof attempt, number>(true);
  // @ts-expect-error: an array only orders
  inputs.cpu;
});

p.task("params", ({ params }) => {
  same<typeof params.ms, number>(true);
  // @ts-expect-error: no such param
  params.sec;
}, { params: { ms: 5 } });
p.task("params with needs", { cpu }, ({ params, inputs }) => params.ms + inputs.cpu.score, {
  params: { ms: 5 },
});

// @ts-expect-error: a misspelt option
p.task("option", () => 1, { timeot: "10s" });
// @ts-expect-error: a wrong word
p.task("word", () => 1, { onLost: "retry" });
// @ts-expect-error: a loop says how often
p.loop({ from: cpu, to: cpu });
p.loop({ from: cpu, to: cpu, times: 2, on: "failure" });
// @ts-expect-error: a wrong word
pipeline("x", { onFailure: "go on" });

const lenient = pipeline("lenient", { onFailure: "continue" });
const one = lenient.task("one", () => 1);
lenient.task("two", { one, sure: one.on("success") }, ({ inputs }) => {
  same<typeof inputs.one, number | undefined>(true);
  same<typeof inputs.sure, number>(true);
});

const shared = pipeline("shared", { resources: { radio: 1, uplink: { capacity: 2, scope: "device" } } });
shared.task("list", () => 1, { uses: ["radio", "uplink"] });
shared.task("amounts", { cpu: shared.task("cpu", () => 1) }, () => 1, { uses: { uplink: 2 } });
shared.command("program", ["iperf3"], { uses: ["uplink"] });
shared.python("python", "a.py", { function: "a", uses: { radio: 1 } });
// @ts-expect-error: no such resource
shared.task("misspelt", () => 1, { uses: ["radoi"] });
// @ts-expect-error: no such resource
shared.task("amount", () => 1, { uses: { radoi: 1 } });
// @ts-expect-error: no such resource
shared.command("misspelt", ["x"], { uses: ["radoi"] });
// @ts-expect-error: no such resource
shared.python("misspelt", "a.py", { function: "a", uses: ["radoi"] });
const mappable = shared.task("hosts", () => ["::1"]);
shared.map("mapped", { host: mappable.each() }, () => 1, { uses: ["radio"] });
// @ts-expect-error: no such resource
shared.map("misspelt", { host: mappable.each() }, () => 1, { uses: ["radoi"] });
// @ts-expect-error: no such resource
shared.map("amount", { host: mappable.each() }, () => 1, { uses: { radoi: 1 } });
// @ts-expect-error: a sync point runs nothing that could use it
shared.task("gate", {}, undefined, { uses: ["radio"] });
// @ts-expect-error: the pipeline has no resources
p.task("none", () => 1, { uses: ["radio"] });
// @ts-expect-error: a wrong word
pipeline("x", { resources: { radio: { scope: "world" } } });

interface Probed {
  readonly ms: number;
}
const probed = p.python<Probed>("probed", "probe.py", { function: "probe", timeout: "30s", memory: "64MiB" });
p.python("probed after", { cpu }, "probe.py", {
  function: "probe",
  requirements: "requirements.txt",
  fresh: true,
});
p.task("of Python", { probed }, ({ inputs }) => {
  const ms: number = inputs.probed.ms;
  // @ts-expect-error: what probe gives has no such key
  return ms + inputs.probed.s;
});
// @ts-expect-error: a Python task names its function
p.python("no function", "probe.py", {});
// @ts-expect-error: a misspelt option
p.python("options", "probe.py", { function: "probe", memry: "1GiB" });

const probe = p.task(
  "probe",
  () => ({ loss: 0.1, kind: "a" as "a" | "b", hosts: ["x"], maybe: undefined as number | undefined }),
);
p.task("asked", { probe }, () => 1, {
  when: {
    all: [
      probe.when((value) => value.loss, { gt: 0.1, lt: 1, ne: 5, in: [1, 2] }),
      probe.when((value) => value.kind, { eq: "a", matches: "^a" }),
      probe.when((value) => value.hosts[0], { exists: true, ne: "y" }),
      probe.when((value) => value.maybe, { gte: 1 }),
      disk.when({ lte: 3 }),
    ],
  },
});
// @ts-expect-error: what probe returns has no such key
probe.when((value) => value.los, { gt: 1 });
// @ts-expect-error: a number is compared with numbers
probe.when((value) => value.loss, { eq: "1" });
// @ts-expect-error: a text is not greater than a number
probe.when((value) => value.kind, { gt: 1 });
// @ts-expect-error: it is never that
probe.when((value) => value.kind, { eq: "c" });
// @ts-expect-error: a number matches no pattern
disk.when({ matches: "1" });

// Mapped tasks: the item has the type of the list's, and the value is a list of what the function returns.
const scan = p.task("scan", () => ({ hosts: [{ ip: "::1" }], count: 1 }));
const pinged = p.map(
  "pinged",
  { host: scan.each((value) => value.hosts), disk },
  ({ inputs, item, index }) => {
    same<typeof inputs.host, { ip: string }>(true);
    same<typeof inputs.disk, number>(true);
    same<typeof item, { ip: string }>(true);
    same<typeof index, number>(true);
    return item.ip.length;
  },
);
const tried = p.map("tried", { host: scan.each((value) => value.hosts) }, () => "x", {
  onItemFailure: "continue",
});
const some = p.map("some", { host: scan.each((value) => value.hosts) }, ({ index }) => index || undefined);
const silent = p.map("silent", { host: scan.each((value) => value.hosts) }, async () => {});
// @ts-expect-error: it is no list
scan.each((value) => value.count);
p.task("mapped", { pinged, tried, some, silent }, ({ inputs, item }) => {
  same<typeof inputs.pinged, number[]>(true);
  same<typeof inputs.some, (number | null)[]>(true);
  same<typeof inputs.silent, null[]>(true);
  same<typeof inputs.tried[number]["value"], string | undefined>(true);
  same<typeof item, undefined>(true);
});
