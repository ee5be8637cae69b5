import process from "node:process";
const [root, size, rounds] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const { chain, manifest } = await import(`${root}/bench/shapes.ts`);
const { timedRun } = await import(`${root}/bench/timed_run.ts`);
const m = manifest("chain", chain(size, "nothing"));
await timedRun(m, { workers: 2 });
const out: number[][] = [];
for (let i = 0; i < rounds; i++) {
  const a = process.cpuUsage();
  const r = await timedRun(m, { workers: 2 });
  const b = process.cpuUsage(a);
  out.push([(b.user + b.system) / size, r.awaitedMs * 1000 / size, r.callMs * 1000 / size]);
}
const mins = [0, 1, 2].map((k) => Math.min(...out.map((o) => o[k]!)).toFixed(2));
console.log(mins.join(" "));
process.exit(0);
