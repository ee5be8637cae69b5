/**
 * What a device measures every hour: which hosts there are, how well each of them answers, and a record of those that lose
 * too much. Whatever uses the radio has it alone.
 *
 *   scan ──▶ probe, for each host ──▶ quality ──▶ capture, if too much is lost ──▶ report
 *
 * `outrider run examples/survey/pipeline.ts` makes one survey, `outrider agent` one every hour:
 *
 *   OUTRIDER_PIPELINE=examples/survey/pipeline.ts OUTRIDER_STATE_DIR=state outrider agent
 *
 * It needs no radio and no rights: a probe is a TCP connection, which a host that is there answers or refuses. Which hosts:
 * `--param 'hosts=["router.local", "192.0.2.7"]' --param port=80`.
 */
// Outside of this checkout: import { pipeline, type Pipeline } from "outrider";
import { type Pipeline, pipeline } from "../../mod.ts";
import { capture } from "./capture.ts";
import { probe, quality } from "./probe.ts";
import { scan } from "./scan.ts";

const p: Pipeline<"stop", "radio"> = pipeline("survey", {
  description: "Hosts, how well they answer, and a record of those that lose too much",
  schedule: { cron: "0 * * * *", jitter: "5m", missed: "once" },
  resources: { radio: 1 },
});

const found = p.task("scan", scan, {
  params: { hosts: ["localhost", "127.0.0.1"] },
  uses: ["radio"],
  timeout: "30s",
  retry: { attempts: 3, unless: [{ error: "TypeError" }] },
});

const probed = p.map("probe", { host: found.each((value) => value.hosts) }, probe, {
  params: { port: 9, count: 10, everyMs: 20, patienceMs: 500 },
  uses: ["radio"],
  timeout: "1m",
  onItemFailure: "continue",
});

const judged = p.task("quality", { probed }, quality);

const captured = p.task("capture", { judged }, capture, {
  params: { port: 9, count: 50, everyMs: 20, patienceMs: 500 },
  when: judged.when((value) => value.loss, { gt: 0.1 }),
  uses: ["radio"],
  timeout: "5m",
});

p.task("report", { judged, captured: captured.on("any") }, ({ inputs, log }) => {
  const { judged: { hosts, loss, rttMs }, captured } = inputs;
  for (const { name, loss, rttMs } of hosts) log.info(`${name}: ${percent(loss)} lost, ${rttMs ?? "no"} ms`);
  return { hosts: hosts.length, loss, rttMs, record: captured ?? null };
});

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

export default p;
