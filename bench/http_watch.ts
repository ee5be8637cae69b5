/** Owns a client that reads an answer that goes on: of watching, how late each change is seen; of a log, only that it is read. */
import process from "node:process";

const { url, token, until } = JSON.parse(process.argv[2]!) as { url: string; token: string; until?: number };
const headers = { authorization: `Bearer ${token}`, accept: "application/x-ndjson" };
const late: number[] = [];
let rest = "";
const answer = await fetch(url, { headers });
// Whoever started this process waits for it: what it costs to start is not what is measured.
process.stdout.write("\n");
for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
  const at = performance.timeOrigin + performance.now();
  if (until === undefined) continue;
  const lines = (rest + chunk).split("\n");
  rest = lines.pop()!;
  for (const line of lines.filter(Boolean)) {
    const { value } = JSON.parse(line) as { value?: unknown };
    if (typeof value === "number") late.push(at - value);
  }
  if (late.length >= until) break;
}
process.stdout.write(JSON.stringify(late));
process.exit(0);
