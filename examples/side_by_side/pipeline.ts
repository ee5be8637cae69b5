/**
 * Two tasks that run at the same time on different workers: one captures, one generates traffic. They share no memory; they
 * meet through the store and through events.
 *
 *   capture    listens ── store: port ── event: ready ─────── counts ─────── event: sent ── waits for the rest ── value
 *   generator          waits for ready ── store: port ─── sends ─── event: sent ── value
 *
 * `compare` needs both, and checks that nothing was lost.
 */
// Outside of this checkout: import { pipeline, type Pipeline } from "outrider";
import { type Pipeline, pipeline } from "../../mod.ts";
import { capture } from "./capture.ts";
import { generate } from "./generator.ts";

const p: Pipeline<"stop"> = pipeline("side-by-side");

const captured = p.task("capture", capture, { timeout: "30s" });
const sent = p.task("generator", generate, { params: { messages: 5_000, bytes: 512 }, timeout: "30s" });

p.task("compare", { captured, sent }, ({ inputs, log }) => {
  const { captured, sent } = inputs;
  if (captured.messages !== sent.messages) {
    throw new Error(`${sent.messages} messages were sent, ${captured.messages} captured`);
  }
  log.info(`${captured.messages} messages, ${captured.bytes} bytes, none lost`);
  return { lost: 0 };
});

export default p;
