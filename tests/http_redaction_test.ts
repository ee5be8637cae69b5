/** Secrets are taken out of texts, however they are spelt and cut. */
import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import { memoryJournal } from "../src/journal/memory.ts";
import { redactingJournal } from "../src/redacting_journal.ts";
import { MIN_SECRET, REDACTED, Redactor } from "../src/redaction.ts";

const SECRET = 'pä"ss/w\\rd +%~ü!';

/** Spellings of a text that programs are known to write. */
const SPELLINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => JSON.stringify(text).slice(1, -1),
  (text) => JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
  (text) => JSON.stringify(text).slice(1, -1).replace(/[^\x20-\x7e]/g, unicode),
  (text) => encodeURIComponent(text),
  (text) => encodeURIComponent(text).toLowerCase(),
  (text) => new URLSearchParams([["a", text]]).toString().slice(2),
];

function unicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

test("redaction: every spelling of a secret goes, and nothing else", () => {
  const redactor = new Redactor([SECRET]);
  for (const spell of SPELLINGS) {
    assert.equal(redactor.text(`before ${spell(SECRET)} after`), `before ${REDACTED} after`, spell(SECRET));
  }
  assert.equal(redactor.text("nothing of it"), "nothing of it");
  assert.equal(new Redactor([]).text(SECRET), SECRET);
  assert.ok(new Redactor([]).idle);
  assert.ok(new Redactor(["x".repeat(MIN_SECRET - 1)]).idle);
});

test("redaction: base64 of a text that holds a secret does not show it, wherever it begins", () => {
  const secret = "correct-horse-battery";
  const redactor = new Redactor([secret]);
  for (const before of ["", "a", "ab", "abc", "user:", "token="]) {
    for (const after of ["", "x", "xy", "xyz"]) {
      const text = base64(before + secret + after);
      const left = redactor.text(text);
      assert.ok(left.includes(REDACTED), text);
      const shown = left.split(REDACTED).map((part) => atob(safe(part))).join(" ");
      assert.ok(!shown.includes("orrect-horse"), shown);
      assert.ok(redactor.text(text.replaceAll("+", "-").replaceAll("/", "_")).includes(REDACTED));
    }
  }
});

/** The longest prefix that can be decoded. */
function safe(text: string): string {
  const plain = text.replace(/=+$/, "");
  return plain.slice(0, plain.length - (plain.length % 4 === 1 ? 1 : 0));
}

test("redaction: the lines of a secret of several lines go one by one", () => {
  const key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBK\n-----END KEY-----\n";
  const redactor = new Redactor([key]);
  assert.equal(redactor.text("MIIEvQIBADANBgkqh"), REDACTED);
  assert.equal(redactor.text(`key: ${key}`), `key: ${REDACTED}\n`);
});

test("redaction: a secret that holds another goes whole", () => {
  const redactor = new Redactor(["abcdef", "abcdefghij"]);
  assert.equal(redactor.text("abcdefghij abcdef"), `${REDACTED} ${REDACTED}`);
  const stream = redactor.stream();
  const pieces = ["abcdef", "ghij ab", "cdef"].map((piece) => stream.push(piece)).join("") + stream.end();
  assert.equal(pieces, `${REDACTED} ${REDACTED}`);
});

test("redaction: a stream gives the same, however it is cut", () => {
  const secret = fc.string({ minLength: MIN_SECRET, maxLength: 12, unit: "grapheme" })
    .filter((text) => text.isWellFormed());
  fc.assert(fc.property(
    fc.array(secret, { minLength: 1, maxLength: 3 }),
    fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.nat(20)), { maxLength: 8 }),
    fc.array(fc.nat(60), { maxLength: 12 }),
    (secrets, parts, cuts) => {
      const text = parts.map((part) =>
        typeof part === "string" ? part : SPELLINGS[part % SPELLINGS.length]!(secrets[part % secrets.length]!)
      ).join("");
      const redactor = new Redactor(secrets);
      const stream = redactor.stream();
      let told = "";
      let at = 0;
      for (const cut of cuts) {
        told += stream.push(text.slice(at, at + cut));
        at += cut;
      }
      told += stream.push(text.slice(at)) + stream.end();
      assert.equal(told, redactor.text(text));
      for (const each of secrets) {
        if (!REDACTED.includes(each) && !told.includes(REDACTED)) assert.ok(!told.includes(each));
      }
    },
  ));
});

test("redaction: the log holds no secret, also where a long line was cut through one", () => {
  const journal = memoryJournal();
  const redacting = redactingJournal(journal, new Redactor(["open-sesame"]));
  const line = (text: string, attempt = 1) =>
    redacting.log({
      at: 0,
      level: "info",
      from: "task",
      task: "t",
      iteration: 0,
      attempt,
      stream: "stdout",
      text,
    });
  line("say open-sesame");
  const long = "x".repeat(65_536 - 5) + "open-";
  line(long);
  line("unrelated open-sesame", 2);
  line("sesame and more");
  line("sesame");
  const texts = journal.logs(0, 10).map(({ text }) => text);
  assert.equal(texts[0], `say ${REDACTED}`);
  assert.equal(texts[2], `unrelated ${REDACTED}`);
  assert.ok(!texts.join("").includes("open-"));
  assert.ok(texts[3]!.endsWith(`${REDACTED} and more`));
  assert.equal(texts[4], "sesame");
  const plain = memoryJournal();
  assert.equal(redactingJournal(plain, new Redactor([])), plain);
});
