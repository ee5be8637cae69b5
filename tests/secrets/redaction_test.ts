/** Secrets are taken out of texts, however they are spelt and cut. */
import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import { entryOf } from "../journal/entries.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { redactingJournal } from "../../src/secrets/journal.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { MIN_SECRET } from "../../src/secrets/spelling.ts";
import { REDACTED } from "../../src/secrets/stream.ts";

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

test("redaction: base64 of JSON does not show a secret, wherever JSON escapes it", () => {
  for (
    const secret of [
      'a"bcdefghijkl',
      '"abcdefghijkl',
      "ab\\cdefghijkl",
      "\u0001abcdefghijkl",
      'abcdefghijk\n"l',
    ]
  ) {
    const redactor = new Redactor([secret]);
    for (const name of ["", "a", "ab", "abc"]) {
      const text = base64(JSON.stringify({ [name]: secret }));
      assert.ok(redactor.text(text).includes(REDACTED), text);
      assert.ok(redactor.stream().record(text, { cut: false }).includes(REDACTED), text);
    }
  }
});

/** The longest prefix that can be decoded. */
function safe(text: string): string {
  const plain = text.replace(/=+$/, "");
  return plain.slice(0, plain.length - (plain.length % 4 === 1 ? 1 : 0));
}

/** Base64 as tools wrap it and others pass it on. */
const WRAPS: readonly ((packed: string) => string)[] = [
  (packed) => wrapped(packed, 76, "\n"),
  (packed) => wrapped(packed, 76, "\r\n"),
  (packed) => wrapped(packed, 64, "\n"),
  (packed) => wrapped(packed, 64, "\n    "),
  (packed) => JSON.stringify(wrapped(packed, 76, "\n")),
  (packed) => JSON.stringify(JSON.stringify(wrapped(packed, 76, "\r\n"))),
  (packed) => packed.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
  (packed) => wrapped(packed.replaceAll("+", "-").replaceAll("/", "_"), 76, "\n"),
  (packed) => encodeURIComponent(packed),
  (packed) => encodeURIComponent(wrapped(packed, 64, "\r\n")).toLowerCase().replaceAll("%0d%0a", "%0D%0A"),
  (packed) => packed.replaceAll("/", "\\/"),
  (packed) => packed.replaceAll("+", "\\u002B").replaceAll("/", "\\u002f"),
];

function wrapped(text: string, width: number, end: string): string {
  return text.match(new RegExp(`.{1,${width}}`, "g"))!.join(end);
}

test("redaction: base64 that is wrapped, url-safe or escaped does not show a secret, wherever it lies", () => {
  const secret = "c0rrect>>>h0rse???bättery~~~staple";
  const redactor = new Redactor([secret]);
  for (const [index, wrap] of WRAPS.entries()) {
    for (let before = 0; before < 80; before++) {
      const text = wrap(base64("x".repeat(before) + secret + "y".repeat(30)));
      // Lower case is another text in base64: only its escapes are meant.
      if (index === 9 && /[A-Z]/.test(base64(secret))) continue;
      const left = redactor.text(text);
      assert.equal(left.split(REDACTED).length, 2, `${index} ${before} ${left}`);
      assert.ok(text.length - left.length >= 30, left);
    }
  }
});

test("redaction: base64 that is printed line by line shows no secret, though each line is a record of its own", () => {
  const secret = "correct-horse-battery-staple-and-some-more-of-it-until-it-spans-more-than-a-line-of-base64";
  const redactor = new Redactor([secret]);
  for (let before = 0; before < 60; before++) {
    const lines = wrapped(base64("x".repeat(before) + secret + "yz".repeat(40)), 76, "\n").split("\n");
    const journal = memoryJournal();
    const redacting = redactingJournal(journal, redactor);
    for (const text of lines) {
      redacting.log(entryOf(text));
      // What another stream prints meanwhile changes nothing.
      redacting.log({ ...entryOf("abc"), task: "u" });
    }
    const texts = journal.logs(0, 100).map(({ text }) => text).filter((text) => text !== "abc");
    assert.equal(texts.length, lines.length);
    const shown = texts.join("\n").split(REDACTED).flatMap((part) => part.split("\n"));
    const decoded = shown.flatMap((part) => [0, 1, 2, 3].map((skip) => atob(safe(part.slice(skip))))).join(
      " ",
    );
    for (let at = 0; at + 5 <= secret.length; at++) {
      assert.ok(
        !decoded.includes(secret.slice(at, at + 5)),
        `${before} ${secret.slice(at, at + 5)}\n${texts.join("\n")}`,
      );
    }
  }
});

test("redaction: it takes time by the length of a text, whatever the secrets and whatever it holds", () => {
  const many = 300_000;
  const texts = [
    "\\".repeat(many),
    "a".repeat(many),
    "%".repeat(many),
    "\\u0061".repeat(many / 6),
    "%61".repeat(many / 3),
    "\n".repeat(many),
  ];
  const secrets = [
    "\\".repeat(8),
    `${"\\".repeat(8)}x`,
    `x${"\\".repeat(8)}y`,
    '\\"'.repeat(50),
    `${"a".repeat(5000)}b`,
    "aaaa",
    "%".repeat(50),
    ...Array.from({ length: 300 }, (_, at) => `${"a".repeat(at + 4)}c`),
  ];
  const redactor = new Redactor(secrets);
  for (const text of texts) {
    const stream = redactor.stream();
    let told = "";
    for (let at = 0; at < text.length; at += 1000) told += stream.push(text.slice(at, at + 1000));
    assert.equal(told + stream.end(), redactor.text(text));
  }
  assert.equal(redactor.text("\\".repeat(8)), REDACTED);
  assert.equal(redactor.text(`x${"\\".repeat(8)}y`), REDACTED);
  assert.equal(redactor.text(JSON.stringify(`x${"\\".repeat(8)}y`)), `"${REDACTED}"`);
  assert.equal(redactor.text("xy and a\\b"), "xy and a\\b");
});

test("redaction: what stands before and behind a secret hides it from nobody", () => {
  for (
    const secret of [
      "token123",
      "u0041bcd",
      "41abcdef",
      "nopen-sesame",
      "C:\\new\\u0041",
      "ab%41cd",
      "100%",
      "a+b c",
    ]
  ) {
    const redactor = new Redactor([secret]);
    for (const before of ["", "\\", "\\\\", "%", "C:\\", "=", "\\u", "%2", "n"]) {
      for (const after of ["", "\\", "%", "n", "41", "u0041"]) {
        const left = redactor.text(before + secret + after);
        assert.ok(left.includes(REDACTED) && !left.includes(secret), `${before}|${secret}|${after}: ${left}`);
      }
    }
  }
});

test("redaction: JSON stays JSON: strings and names without secrets, numbers and bytes as they are", () => {
  const redactor = new Redactor(["123456", "open-sesame", '","a":"']);
  const value = {
    "open-sesame": ["say open-sesame", 1234567, { $bytes: base64("open-sesame") }],
    b: "123456",
    a: "x",
  };
  assert.deepEqual(JSON.parse(redactor.json(JSON.stringify(value))), {
    [REDACTED]: [`say ${REDACTED}`, 1234567, { $bytes: base64(REDACTED) }],
    b: REDACTED,
    a: "x",
  });
  const status = '{"startedAt":1764123456789,"because":"it is 123456"}';
  assert.equal(redactor.told(status), '{"startedAt":1764123456789,"because":"it is [secret]"}');
  assert.equal(redactor.told("no JSON 123456"), "no JSON [secret]");
  const clean = '{ "as":  "it was" }';
  assert.equal(redactor.json(clean), clean);
});

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
  const line = (text: string, attempt = 1) => redacting.log({ ...entryOf(text), attempt });
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
