/** Who may knock at a server of one machine: by which name, from which page; compared as wholes, never by how they begin or end. */
import assert from "node:assert/strict";
import test from "node:test";
import { type Doorway, keptOut } from "../../src/base/web/door.ts";

const DOOR: Doorway = { hosts: ["box.lan", "other.lan"], anyAddress: false, schemes: ["http"] };

function asked(headers: Readonly<Record<string, string>>, door: Partial<Doorway> = {}): string {
  const request = new Request("http://127.0.0.1:9/x");
  // Not every runtime lets a test set Host on a request.
  const shown = new Headers(headers);
  const { by = "in" } = keptOut({ url: request.url, headers: shown }, { ...DOOR, ...door }) ?? {};
  return by;
}

test("door: a host is this machine's own, or one of those that are named, whatever its port and case", () => {
  const own = ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.8.7:65535", "[::1]", "[::1]:9", "::1"];
  for (const host of [...own, "box.lan", "BOX.lan:8080", "box.lan:1"]) {
    assert.equal(asked({ host }), "in", host);
  }
  const others = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.localhost",
    "notlocalhost",
    "box.lan.evil.example",
    "a.box.lan",
    "box.la",
    "box.lan:",
    "box.lan:123456",
    "localhost:123456",
    "localhost:",
    "127.0.0.1:x",
    "box.lan:80:80",
    "",
    " ",
  ];
  for (const host of others) assert.equal(asked({ host }), "host", host);
  // Without a Host, the URL has it.
  assert.equal(asked({}), "in");
});

test("door: any address will do only where it may, and only a whole one", () => {
  const addresses = ["10.0.0.7", "192.168.1.20:8080", "[fe80::1]", "[2001:db8::7]:80"];
  for (const host of addresses) {
    assert.equal(asked({ host }), "host", host);
    assert.equal(asked({ host }, { anyAddress: true }), "in", host);
  }
  for (
    const host of ["10.0.0.7.evil.example", "evil.10.0.0.7", "10.0.0", "[evil]", "[::1", "10.0.0.7:123456"]
  ) {
    assert.equal(asked({ host }, { anyAddress: true }), "host", host);
  }
});

test("door: a name that is longer than any is not even looked for", () => {
  const name = "n".repeat(300);
  assert.equal(asked({ host: name }, { hosts: [name] }), "in");
  assert.equal(asked({ host: `${name}n` }, { hosts: [`${name}n`] }), "host");
});

test("door: an origin is the server's own, all of it, or it is a stranger's", () => {
  const host = "127.0.0.1:9";
  assert.equal(asked({ host, origin: "http://127.0.0.1:9" }), "in");
  assert.equal(asked({ host: "Box.lan:1", origin: "HTTP://box.LAN:1" }), "in");
  const others = [
    "http://127.0.0.1:99",
    "http://127.0.0.1:9.evil.example",
    "http://127.0.0.1:9@evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:",
    "http://evil.example/http://127.0.0.1:9",
    "xhttp://127.0.0.1:9",
    "https://127.0.0.1:9",
    "http://localhost:9",
    "null",
    "",
  ];
  for (const origin of others) assert.equal(asked({ host, origin }), "origin", origin);
  const schemes = ["http", "https"] as const;
  assert.equal(asked({ host, origin: "https://127.0.0.1:9" }, { schemes }), "in");
  assert.equal(asked({ host, origin: "ftp://127.0.0.1:9" }, { schemes }), "origin");
});

test("door: what a browser says of the page counts beside the origin", () => {
  const sites = { "same-origin": "in", "none": "in", "same-site": "origin", "cross-site": "origin" };
  for (const [site, by] of Object.entries(sites)) {
    assert.equal(asked({ "sec-fetch-site": site }), by, site);
    assert.equal(asked({ "sec-fetch-site": site, origin: "http://127.0.0.1:9" }), by, site);
  }
  assert.equal(asked({ "sec-fetch-site": "same-origin", origin: "http://evil.example" }), "origin");
  const shown = (headers: Headers) => keptOut({ url: "http://a/", headers }, DOOR)?.shown;
  assert.equal(shown(new Headers({ host: "evil.example" })), "evil.example");
  assert.equal(shown(new Headers({ host: "box.lan", origin: "null" })), "null");
});
