/** Lines that are written over, as progress bars are: live, at most one a second, and whole at their end. */
import assert from "node:assert/strict";
import test from "node:test";
import { shownOf, UPDATE_MS } from "../../src/base/overwritten.ts";
import { OUTBOX_BYTES, OUTBOX_CELLS, OutboxReader, OutboxWriter } from "../../src/pool/ring/outbox.ts";
import { Unfinished, unfinishedMemory } from "../../src/pool/unfinished.ts";
import { LineCutter } from "../../src/pool/kinds/program_lines.ts";
import { Printer } from "../../workers/output.ts";

/** Something that takes pieces of a stream, by a clock of the hand. */
interface Taker {
  at: number;
  take(text: string): void;
  end(): void;
  /** What was told since it was last asked. */
  told(): string[];
}

const TAKERS: Readonly<Record<string, () => Taker>> = {
  "a program or a process": () => {
    const lines: string[] = [];
    const cutter: LineCutter = new LineCutter((line) => void lines.push(line), {
      monotonic: () => taker.at,
    });
    const taker: Taker = {
      at: 0,
      take: (text) => cutter.pushText(text),
      end: () => cutter.end(),
      told: () => lines.splice(0),
    };
    return taker;
  },
  "a thread": () => {
    const [cells, ring] = [
      new Int32Array(new SharedArrayBuffer(4 * OUTBOX_CELLS)),
      new SharedArrayBuffer(OUTBOX_BYTES),
    ];
    const reader = new OutboxReader(cells, ring);
    const unfinished = new Unfinished(unfinishedMemory());
    const author = { seq: 1, ended: false };
    const printer: Printer = new Printer({
      outbox: new OutboxWriter(cells, ring, () => {}),
      unfinished,
      now: () => taker.at,
    });
    const taker: Taker = {
      at: 0,
      take: (text) => printer.piece(author, { stream: "stderr", text }),
      end: () => printer.flush(author),
      told() {
        const lines: string[] = [];
        reader.drain((_, { text }) => (lines.push(text!), undefined));
        return lines;
      },
    };
    return taker;
  },
};

for (const [name, make] of Object.entries(TAKERS)) {
  test(`overwritten: updates of ${name} are told live, at most one a second, and the last at the end`, () => {
    for (const [before, after] of [["\r", ""], ["", "\r"]]) {
      const taker = make();
      for (let percent = 0; percent < 100; percent++) {
        taker.take(`${before}${percent}%${after}`);
        taker.at += UPDATE_MS / 10;
      }
      assert.deepEqual(taker.told(), ["0%", "10%", "20%", "30%", "40%", "50%", "60%", "70%", "80%", "90%"]);
      taker.take(`${before}100%\nnext\n`);
      assert.deepEqual(taker.told(), ["100%", "next"]);
    }
  });

  test(`overwritten: the last state of ${name} is told once, when its line or its attempt has ended`, () => {
    const taker = make();
    taker.take("\rhalf");
    assert.deepEqual(taker.told(), ["half"]);
    taker.take("\n");
    assert.deepEqual(taker.told(), []);
    taker.take("\rone\r");
    taker.take("\rtwo\r");
    taker.end();
    assert.deepEqual(taker.told(), ["two"]);
    taker.at += UPDATE_MS;
    taker.take("\rdone");
    taker.take("\r\n");
    taker.end();
    assert.deepEqual(taker.told(), ["done"]);
  });

  test(`overwritten: what ${name} prints without writing over it stays as it is`, () => {
    const taker = make();
    taker.take("a\r\nb\n\nc\r");
    taker.take("\nd");
    taker.take("\r");
    taker.take("\n");
    taker.end();
    assert.deepEqual(taker.told(), ["a", "b", "", "c", "d"]);
  });

  test(`overwritten: a bar of ${name} that never ends its line takes no more room than it shows`, () => {
    const taker = make();
    for (let at = 0; at < 200_000; at++) taker.take(`\r${"x".repeat(50)}${at}`);
    assert.equal(taker.told().length, 1);
    taker.end();
    assert.deepEqual(taker.told(), [`${"x".repeat(50)}199999`]);
  });
}

test("overwritten: what a terminal shows of a line", () => {
  const shown = ["", "\r", "a", "a\r", "a\r\r", "\ra", "a\rb", "a\rb\r"].map(shownOf);
  assert.deepEqual(shown, ["", "", "a", "a", "a", "a", "b", "b"]);
});
