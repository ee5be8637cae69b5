/**
 * Outrider as a library: one program that makes a pipeline, runs it, watches it and uses its result.
 *
 *   deno run -A main.ts        node main.ts        bun main.ts
 *
 * Workers import this module too, for the functions of its tasks. There `run` never goes on, so what follows it runs once.
 */
// Outside of this checkout: import { pipeline, run } from "outrider";
import { pipeline, run } from "../../mod.ts";

const p = pipeline("words");
const text = p.task("text", () => "the quick brown fox jumps over the lazy dog");
const words = p.task("words", { text }, ({ inputs }) => inputs.text.split(" "));
const longest = p.task(
  "longest",
  { words },
  ({ inputs }) => inputs.words.reduce((a, b) => b.length > a.length ? b : a),
);
const counted = p.task("counted", { words }, ({ inputs }) => inputs.words.length);
p.task(
  "report",
  { longest, counted },
  ({ inputs }) => `${inputs.counted} words, the longest is ${inputs.longest}`,
);

// In one line: const result = await run(p);
const execution = run(p);
for await (const event of execution) {
  if (event.type === "attempt.settled") console.log(`${event.task} ${event.outcome}`);
}
const result = await execution;

console.log(result.state, result.tasks["report"]?.at(-1)?.value);
