/** What reaches the log, and what is told elsewhere: every place at which a secret may be cut, and every bound. */
import assert from "node:assert/strict";
import test from "node:test";
import type { LogEntry } from "../../src/journal/journal.ts";
import { entryOf } from "../journal/entries.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { StateEvent } from "../../src/model/record.ts";
import { redactingJournal, toldOf } from "../../src/secrets/journal.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { hintOf, MIN_BASE64, MIN_SECRET, spellingsOf } from "../../src/secrets/spelling.ts";
import { REDACTED } from "../../src/secrets/stream.ts";

/** Characters of a line that may have been cut. */
const CUT = 65_535;

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

interface Log {
  /** Logs a line; returns it as it is in the journal. */
  line(text: string, more?: Partial<LogEntry>): string;
}

function log(redactor: Redactor): Log {
  const journal = memoryJournal({ logBytes: 1 << 30 });
  const redacting = redactingJournal(journal, redactor);
  return {
    line: (text, more = {}) => {
      const seq = redacting.log({ ...entryOf(text), ...more });
      return journal.logs(seq - 1, 1)[0]!.text;
    },
  };
}

/** A line of so many characters that ends with a text. */
const long = (length: number, end: string): string => ".".repeat(length - end.length) + end;

test("a secret of 4 characters is one, a shorter one is not; of a secret of several lines those of 8", () => {
  assert.equal(MIN_SECRET, 4);
  const redactor = new Redactor(["abcd", "xyz", "12345678\n1234567\n  abcdefgh  "]);
  assert.equal(redactor.text("abcd xyz"), `${REDACTED} xyz`);
  assert.equal(redactor.text("12345678"), REDACTED);
  assert.equal(redactor.text("1234567"), "1234567");
  assert.equal(redactor.text("abcdefgh"), REDACTED, "without the white space around it");
  assert.equal(redactor.count, 4);
  assert.ok(new Redactor(["abc"]).idle);
});

test("what a fork knows more is its own, and what is added later both know", () => {
  const redactor = new Redactor(["first-secret"]);
  const fork = redactor.fork(["of-the-fork"]);
  redactor.add(["added-later"]);
  const text = "first-secret of-the-fork added-later";
  assert.equal(redactor.text(text), `${REDACTED} of-the-fork ${REDACTED}`);
  assert.equal(fork.text(text), `${REDACTED} ${REDACTED} ${REDACTED}`);
  const { count } = redactor;
  redactor.add(["added-later", "abc"]);
  assert.equal(redactor.count, count);
});

test("a secret that a long line was cut through shows neither of its parts, wherever the cut is", () => {
  const secret = "open-sesame";
  for (const spelt of [secret, base64(`x${secret}y`)]) {
    for (let cut = 1; cut < spelt.length; cut++) {
      const { line } = log(new Redactor([secret]));
      const first = line(long(CUT, spelt.slice(0, cut)));
      const second = line(`${spelt.slice(cut)} more`);
      assert.ok(!/[a-z]/i.test(first.replaceAll(REDACTED, "")) || spelt !== secret, first.slice(-20));
      assert.ok(second.startsWith(REDACTED) || spelt !== secret, second);
      assert.ok(second.endsWith(" more"));
      assert.equal(line("nothing of it"), "nothing of it");
    }
  }
});

test("a line of 65,535 characters may have been cut, one of 65,534 has ended", () => {
  const whole = log(new Redactor(["open-sesame"]));
  assert.ok(whole.line(long(CUT - 1, "open-")).endsWith(".open-"));
  assert.equal(whole.line("sesame"), "sesame");
  const cut = log(new Redactor(["open-sesame"]));
  assert.ok(cut.line(long(CUT, "open-")).endsWith(`.${REDACTED}`));
  assert.equal(cut.line("sesame"), REDACTED);
});

test("a secret that spans three lines that were cut shows nothing of itself", () => {
  const secret = "a".repeat(CUT) + "bcdef";
  const { line } = log(new Redactor([`xy${secret}`]));
  assert.ok(line(long(CUT, "xy")).endsWith(`.${REDACTED}`));
  assert.equal(line("a".repeat(CUT)), REDACTED);
  assert.equal(line("bcdef and more"), `${REDACTED} and more`);
});

test("what belongs to another attempt, iteration, stream or task completes nothing", () => {
  const others: readonly Partial<LogEntry>[] = [{ attempt: 2 }, { iteration: 1 }, { stream: "stderr" }, {
    task: "u",
  }];
  for (const more of others) {
    const { line } = log(new Redactor(["open-sesame"]));
    line(long(CUT, "open-"));
    assert.equal(line("sesame", more), "sesame");
    assert.equal(line("sesame"), REDACTED);
    assert.equal(line("sesame"), "sesame", "it is complete");
  }
});

test("1,000 streams on which a secret may have begun are remembered, beyond them the oldest is forgotten", () => {
  for (const [streams, first] of [[1_000, REDACTED], [1_001, "sesame"]] as const) {
    const { line } = log(new Redactor(["open-sesame"]));
    // In base64 over line ends, so that the lines may be short.
    const begun = base64("open-sesame-and").slice(0, 12);
    const rest = base64("open-sesame-and").slice(12);
    for (let attempt = 1; attempt <= streams; attempt++) assert.equal(line(begun, { attempt }), REDACTED);
    assert.equal(line(rest, { attempt: streams }).startsWith(REDACTED), true);
    assert.equal(line(rest, { attempt: 1 }).startsWith(REDACTED), first === REDACTED);
  }
});

test("secrets that become known in the midst of a run are taken out of the lines after", () => {
  const redactor = new Redactor(["known-before"]);
  const { line } = log(redactor);
  assert.equal(line("known-before told-later"), `${REDACTED} told-later`);
  redactor.add(["told-later"]);
  const later = base64("told-later");
  assert.equal(line(later.slice(0, 8), { attempt: 4 }), REDACTED, "its beginning too");
  assert.ok(line(later.slice(8), { attempt: 4 }).startsWith(REDACTED));
  // Also where a line before may have begun something of what was known then.
  const begun = base64("known-before").slice(0, 8);
  for (const attempt of [1, 2, 3]) assert.equal(line(begun, { attempt }), REDACTED);
  assert.equal(line("known-before told-later"), `${REDACTED} ${REDACTED}`);
  redactor.add(["last-of-all"]);
  assert.equal(line("told-later last-of-all", { attempt: 2 }), `${REDACTED} ${REDACTED}`);
  assert.ok(
    line(base64("known-before").slice(8), { attempt: 3 }).startsWith(REDACTED),
    "what had begun is found",
  );
});

test("base64 that goes on over line ends is found whatever the width, and wherever its first letters fall", () => {
  const secret = "correct-horse-battery-staple";
  const redactor = new Redactor([secret]);
  for (const [width, indent] of [[20, ""], [21, ""], [22, "  "], [23, ""], [24, "\t "], [7, " "]] as const) {
    for (let before = 0; before < 40; before++) {
      const packed = base64("\0".repeat(before) + secret + "\0\0\0");
      const lines = packed.match(new RegExp(`.{1,${width}}`, "g"))!;
      const { line } = log(redactor);
      // A short beginning is left at a line's end: less than is stable of any secret's base64.
      const shown = lines.map((text, at) => line(at === 0 ? text : indent + text)).join(" ").replaceAll(
        REDACTED,
        " ",
      );
      const longest = Math.max(...shown.split(/[\sA]+/).map((part) => part.length));
      assert.ok(longest < MIN_BASE64 + 3, `${width} ${before}: ${shown}`);
    }
  }
  assert.equal(MIN_BASE64, 6);
});

test("at a line's end as much of base64 is taken out as is enough for a beginning, and no less", () => {
  const packed = base64("open-sesame-and-more");
  const enough = log(new Redactor(["open-sesame-and-more"]));
  assert.equal(enough.line(`: ${packed.slice(0, 6)}`), `: ${REDACTED}`);
  assert.match(enough.line(packed.slice(6)), /^\[secret\].?=*$/);
  const short = log(new Redactor(["open-sesame-and-more"]));
  assert.equal(short.line(`: ${packed.slice(0, 5)}`), `: ${packed.slice(0, 5)}`);
  assert.match(short.line(packed.slice(5)), /^\[secret\].?=*$/);
});

test("what was told of a line is not told again with the next, though it was the beginning of something", () => {
  const { line } = log(new Redactor(["open-sesame"]));
  const lines = ["x b3Bl", "x b3Bl", "a % sign", "nothing of it"];
  assert.deepEqual(lines.map((text) => line(text)), lines);
});

test("a plain secret does not go on over a line's end", () => {
  const { line } = log(new Redactor(["open-sesame"]));
  assert.deepEqual([line("open-"), line("sesame"), line("open-sesame")], ["open-", "sesame", REDACTED]);
});

test("a stream tells at once what can't be the beginning of a secret, and holds back no more than what may be", () => {
  const stream = new Redactor(["open-sesame"]).stream();
  assert.equal(stream.push("nothing of it, "), "nothing of it, ");
  assert.equal(stream.push("say o"), "say ");
  assert.equal(stream.push("pen-"), "");
  assert.equal(stream.push("ed: o"), "open-ed: ");
  assert.equal(stream.push("pen-sesame"), "");
  assert.equal(stream.push("."), `${REDACTED}.`);
  assert.equal(stream.push("ope"), "");
  assert.equal(stream.end(), "ope");
  let told = "";
  const letters = new Redactor(["open-sesame"]).stream();
  for (const letter of "x open-sesame, open\\u002Dsesame %6Fpen-sesame!") told += letters.push(letter);
  assert.equal(told + letters.end(), `x ${REDACTED}, ${REDACTED} ${REDACTED}!`);
});

test("one redactor takes text after text, each by itself, those that hold a secret and those that don't", () => {
  const redactor = new Redactor(["open-sesame"]);
  assert.equal(redactor.text("pen-sesame %"), "pen-sesame %");
  for (let round = 0; round < 3; round++) {
    assert.equal(redactor.text("open-"), "open-");
    assert.equal(redactor.text("sesame"), "sesame");
    assert.equal(redactor.text("a % and open-sesame"), `a % and ${REDACTED}`);
    assert.equal(redactor.text("a % sign"), "a % sign");
    assert.equal(redactor.text("open-"), "open-");
    assert.equal(redactor.text("sesame pen-sesame open-sesame"), `sesame pen-sesame ${REDACTED}`);
    assert.equal(redactor.text("open-sesameopen-sesame open-sesame"), `${REDACTED}${REDACTED} ${REDACTED}`);
  }
});

test("secrets that overlap go whole, and are replaced as often as they stand apart", () => {
  const redactor = new Redactor(["abcdef", "defghi", "ghijkl"]);
  assert.equal(redactor.text("xabcdefghijkly"), `x${REDACTED}y`);
  assert.equal(redactor.text("abcdefdefghi"), `${REDACTED}${REDACTED}`);
  assert.equal(redactor.text("abcdefabcdef"), `${REDACTED}${REDACTED}`);
});

test("base64 with a + or a / among its first letters is found, in both alphabets", () => {
  for (const secret of [">>>>>>>>>>", "??????????", "~~~~~~~~~~", "\u00ff\u00fe\u00fb\u00ef\u00be\u00ef"]) {
    for (const before of ["", "a", "ab"]) {
      const packed = base64(before + secret);
      const redactor = new Redactor([secret]);
      for (const text of [packed, packed.replaceAll("+", "-").replaceAll("/", "_")]) {
        assert.ok(redactor.text(text).includes(REDACTED), text);
        assert.ok(redactor.stream().record(text, { cut: false }).includes(REDACTED), text);
      }
    }
  }
});

test("a secret's hint is in each of its spellings, up to 100 hints", () => {
  const secrets = ["open-sesame", "[(.*+?^$", 'q"uo\\te', "ümläut", ">>>>>>>>"];
  const hint = hintOf(secrets)!;
  for (const secret of secrets) {
    const spelt = [secret, JSON.stringify(secret), encodeURIComponent(secret)];
    for (const before of ["", "a", "ab"]) spelt.push(base64(before + secret));
    for (const text of spelt) assert.ok(hint.test(text), text);
  }
  assert.equal(hint.test("nothing of it"), false);
  for (const sign of ["\\", "%", "+", "\n", "\r"]) assert.ok(hint.test(sign));
  // Shorter than what counts in base64, so that each secret gives one hint.
  const many = (count: number) => Array.from({ length: count }, (_, at) => `${String(at).padStart(3, "0")}!`);
  assert.notEqual(hintOf(many(100)), undefined);
  assert.equal(hintOf(many(101)), undefined);
  const redactor = new Redactor(many(101));
  assert.equal(redactor.text("is it 100! or 101!"), `is it ${REDACTED} or 101!`);
});

test("a spelling has the characters at which something of it may begin, and no other below 128", () => {
  const spellings = spellingsOf(["abcd"]);
  const starts = spellings.map(({ starts }) =>
    Array.from({ length: 128 }, (_, code) => code).filter((code) => starts[code] === 1)
      .map((code) => String.fromCharCode(code)).sort().join("")
  );
  const sorted = (text: string): string => [...text].sort().join("");
  assert.deepEqual(starts.slice(0, 3), ["a", sorted("a\\\b\f\n\r\t"), sorted("a%+ ")]);
  for (const { starts } of spellings) for (let code = 128; code < 256; code++) assert.equal(starts[code], 1);
});

test("a secret of which JSON leaves little is found at each depth of escaping", () => {
  const secret = '"\\"\\';
  const redactor = new Redactor([secret]);
  let text = secret;
  for (let depth = 0; depth <= 2; depth++) {
    assert.equal(redactor.text(`x${text}y`), `x${REDACTED}y`, text);
    text = JSON.stringify(text).slice(1, -1);
  }
});

test("values: names and strings without secrets, numbers and what is none as it is, and bytes as bytes", () => {
  const redactor = new Redactor(["open-sesame"]);
  for (const same of [1, true, null, undefined, "text", []]) assert.deepEqual(redactor.value(same), same);
  const bytes = { $bytes: base64("no secret") };
  assert.equal(redactor.value(bytes), bytes);
  assert.deepEqual(redactor.value({ $bytes: base64("open-sesame") }), { $bytes: btoa(REDACTED) });
  // With another name beside it, it is an object like any other.
  assert.deepEqual(redactor.value({ $bytes: "open-sesame", more: 1 }), { $bytes: REDACTED, more: 1 });
  assert.deepEqual(redactor.value({ $bytes: 5 }), { $bytes: 5 });
  assert.deepEqual(redactor.value(["open-sesame", { "x open-sesame": ["y"] }]), [REDACTED, {
    [`x ${REDACTED}`]: ["y"],
  }]);
});

test("what is told elsewhere of a journal has no secret in its records, and what is kept stays as it is", async () => {
  const journal = memoryJournal();
  const redactor = new Redactor(["open-sesame", "12345"]);
  const settled: StateEvent = {
    type: "attempt.settled",
    task: "t",
    iteration: 0,
    attempt: 1,
    outcome: "failed",
    value: '{"n":12345,"s":"open-sesame"}',
    error: { name: "Error", message: "no open-sesame" },
    because: "open-sesame is no JSON",
    startedAt: 12345,
  };
  const events: readonly StateEvent[] = [
    settled,
    { type: "event.emitted", id: 12345, event: "e", detail: '"open-sesame"' },
    { type: "run.ended", state: "failed" },
  ];
  for (const event of events) journal.append(event, 12345);
  const told = toldOf(journal, redactor);
  const records = told.states(0, 9);
  assert.deepEqual(records, [
    {
      seq: 1,
      at: 12345,
      ...settled,
      value: `{"n":12345,"s":"${REDACTED}"}`,
      error: { name: "Error", message: `no ${REDACTED}` },
      because: `${REDACTED} is no JSON`,
    },
    { seq: 2, at: 12345, type: "event.emitted", id: 12345, event: "e", detail: `"${REDACTED}"` },
    { seq: 3, at: 12345, type: "run.ended", state: "failed" },
  ]);
  assert.deepEqual(journal.states(0, 1), [{ seq: 1, at: 12345, ...settled }]);
  assert.deepEqual([told.states(1, 1).length, told.last()], [1, { states: 3, logs: 0 }]);
  assert.equal(toldOf(journal, undefined), journal);
  assert.deepEqual(toldOf(journal, new Redactor([])).states(0, 9), journal.states(0, 9));
  assert.equal(redactingJournal(journal, new Redactor([])), journal);
  await told.close();
});
