import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { Clock } from "./clock.js";
import { NotificationClient } from "../src/client.js";
import { eventId, eventsUrl } from "../src/events.js";

/** What was asked for, WebSockets and events, in the order it was asked. */
let asked;
let clock;

class Socket {
  way = "socket";
  readyState = 0;
  said = [];
  constructor() {
    asked.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  tell(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  send(text) {
    this.said.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  ends(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code, reason: "why" });
  }
}

/** A request for events; the test answers it. */
class Request {
  way = "events";
  #resolve;
  #reject;
  #body;
  constructor(url, { headers, signal }) {
    Object.assign(this, { url, headers, signal });
    asked.push(this);
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }
  fails() {
    this.#reject(new TypeError("no answer"));
    return settled();
  }
  refuses(status, headers = {}) {
    this.#resolve(new Response("", { status, headers }));
    return settled();
  }
  open() {
    const body = new ReadableStream({ start: (body) => { this.#body = body; } });
    this.#resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    return settled();
  }
  write(bytes) {
    this.#body.enqueue(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    return settled();
  }
  tell(...messages) {
    const event = (it) => `event: ${it.t}\nid: x\ndata: ${JSON.stringify(it)}\n\n`;
    return this.write(messages.map(event).join(""));
  }
  closes(code, retry) {
    const data = JSON.stringify({ code, reason: "why" });
    const moment = retry === undefined ? "" : `retry: ${retry}\n`;
    this.write(`${moment}event: closed\ndata: ${data}\n\n`);
    return this.ends();
  }
  ends() {
    this.#body.close();
    return settled();
  }
}

async function settled() {
  for (let round = 0; round < 5; round += 1) await new Promise((done) => setImmediate(done));
}

const told = (seq) => ({
  t: "notification", stream: "user", seq, id: `ntf_${seq}`, time: "2026-11-22T00:00:00Z",
  type: "order.confirmed", title: "caf\u00e9\u2028", message: "m", data: {},
});
const welcome = (streams) => ({ t: "welcome", epoch: "e1", heartbeat_ms: 600_000, streams });
const at = (seq) => ({ user: { epoch: "e1", seq } });

function client(options = {}) {
  const seen = { seqs: [], missed: [], stopped: [] };
  const made = new NotificationClient({
    url: "wss://shop/v1/notifications/ws",
    token: () => "token",
    onNotification: ({ seq }) => seen.seqs.push(seq),
    onMissed: (stream) => seen.missed.push(stream),
    onState: (_state, stopped) => stopped && seen.stopped.push(stopped.code ?? stopped.status),
    WebSocket: Socket,
    fetch: (url, options) => new Request(url, options).answer,
    random: () => 0.5,
    now: () => clock.now,
    ...options,
  });
  made.start();
  return { made, seen };
}

/** The try after this time. */
async function next(ms = 30_000) {
  const before = asked.length;
  clock.tick(ms);
  await settled();
  assert.equal(asked.length, before + 1, "one further try");
  return asked.at(-1);
}

/** The first request for events, where no WebSocket passes. */
async function fallen(options) {
  const { made, seen } = client(options);
  await settled();
  for (let tries = 0; tries < 3; tries += 1) {
    assert.equal(asked.at(-1).way, "socket");
    asked.at(-1).ends();
    await next();
  }
  return { made, seen, events: asked.at(-1) };
}

beforeEach(() => {
  asked = [];
  clock = new Clock();
});

test("where WebSockets do not pass it goes on by events from where it stood", async () => {
  let kept = at(4);
  const memory = { load: () => kept, save: (positions) => { kept = positions; } };
  const { made, seen, events } = await fallen({ memory });
  assert.equal(events.url, "https://shop/v1/notifications/sse");
  assert.equal(events.headers.Authorization, "Bearer token");
  assert.equal(events.headers["Last-Event-ID"], eventId(at(4)));

  await events.open();
  await events.tell(welcome({ user: { seq: 6, read: 0, recovered: true } }), told(5), told(5), told(6));
  assert.equal(made.state, "live");
  assert.equal(made.way, "events");
  await events.ends();
  const again = await next();

  assert.equal(again.headers["Last-Event-ID"], eventId(at(6)));
  await again.open();
  await again.tell(welcome({ user: { seq: 6, read: 0, recovered: true } }), told(7));
  assert.deepEqual(seen, { seqs: [5, 6, 7], missed: [], stopped: [] });
  assert.deepEqual(kept, at(7));
});

test("a WebSocket that opens and says nothing does not pass either", async () => {
  client();
  await settled();
  asked[0].ends();
  const second = await next();
  second.open();
  second.ends();
  const third = await next();
  third.open();
  // Nor is it closed.
  clock.tick(15_000);

  const events = await next();

  assert.equal(events.way, "events");
  assert.equal(events.headers["Last-Event-ID"], undefined);
});

test("a word of the server is a reason to stay with WebSockets", async () => {
  client();
  await settled();
  for (const word of [(it) => it.ends(), (it) => it.ends(), (it) => it.ends(1011), (it) => it.ends(),
    (it) => it.ends(), (it) => { it.open(); it.tell(welcome({})); it.ends(); }, (it) => it.ends()]) {
    assert.equal(asked.at(-1).way, "socket");
    word(asked.at(-1));
    await next();
  }
  assert.equal(asked.at(-1).way, "socket");
});

test("where events do not pass either they take turns", async () => {
  let { events } = await fallen();
  for (const failing of [
    () => events.fails(),
    () => events.refuses(502),
    () => events.refuses(200, { "Content-Type": "text/html" }),
  ]) {
    assert.equal(events.way, "events");
    await failing();
    const socket = await next();
    assert.equal(socket.way, "socket");
    socket.ends();
    events = await next();
  }
  clock.tick(15_000);
  assert.ok(events.signal.aborted, "it takes too long");
  assert.equal((await next()).way, "socket");
});

test("WebSockets are tried again after ten minutes", async () => {
  const { events } = await fallen();
  await events.open();
  await events.tell(welcome({}));
  clock.tick(599_000);
  await events.ends();

  assert.equal((await next()).way, "socket");
});

test("what events are refused with says whether to come back, and when", async () => {
  for (const [status, headers, wait] of [
    [401, {}, 0], [429, { "Retry-After": "40" }, 40_000], [503, { "Retry-After": "40" }, 40_000],
  ]) {
    asked = [];
    let tokens = 0;
    const token = () => `token ${(tokens += 1)}`;
    const { made, seen, events } = await fallen({ token });
    const tries = asked.length;
    await events.refuses(status, headers);
    clock.tick(wait);
    await settled();
    assert.equal(asked.length, tries, `${status}: no sooner`);
    assert.equal((await next()).way, "events");
    assert.deepEqual(seen.stopped, []);
    made.stop();
  }
  for (const status of [400, 403, 404, 431]) {
    asked = [];
    const { seen, events } = await fallen();
    await events.refuses(status);
    clock.tick(60_000);
    await settled();
    assert.deepEqual(seen.stopped, [status]);
    assert.equal(asked.at(-1), events);
  }
});

test("credentials that are not taken are not shown again", async () => {
  const { made, seen, events } = await fallen();
  await events.refuses(401);
  clock.tick(30_000);
  await settled();
  assert.deepEqual([asked.at(-1), made.state, seen.stopped], [events, "stopped", [401]]);

  // Whoever starts it again has mended that.
  made.start();
  await settled();
  assert.notEqual(asked.at(-1), events);
});

test("events that end with a moment are come back to at that moment", async () => {
  const { made, events } = await fallen();
  await events.open();
  await events.tell(welcome({}));
  await events.closes(1012, 7_000);
  assert.equal(made.state, "waiting");

  const tries = asked.length;
  clock.tick(6_999);
  await settled();
  assert.equal(asked.length, tries);
  assert.equal((await next(1)).way, "events");
});

/** Each code of the page, and whether a client comes back after it. */
function codes() {
  const page = new URL("../../../docs/websocket-protocol.md", import.meta.url);
  const [, section] = readFileSync(page, "utf8").split("\n## Closing\n");
  const rows = section.split("\n## ")[0].matchAll(/^\| ([\d, ]+) \|[^|]*\| ([^|]*) \|$/gm);
  return [...rows].flatMap(([, codes, does]) =>
    codes.split(", ").map((code) => [Number(code), !does.startsWith("does not come back")]));
}

test("each close code is followed as the protocol says, over both ways", async () => {
  assert.equal(codes().length, 16);
  for (const [code, returns] of codes()) {
    asked = [];
    const { made, seen } = client();
    await settled();
    asked[0].open();
    asked[0].ends(code);
    clock.tick(1_000);
    await settled();
    assert.deepEqual([code, asked.length, seen.stopped], [code, returns ? 2 : 1, returns ? [] : [code]]);
    made.stop();

    asked = [];
    const { made: other, seen: heard, events } = await fallen();
    await events.open();
    await events.closes(code, 0);
    const tries = asked.length;
    clock.tick(30_000);
    await settled();
    assert.deepEqual(
      [code, asked.length, heard.stopped],
      [code, returns ? tries + 1 : tries, returns ? [] : [code]],
    );
    other.stop();
  }
});

test("over events nothing is said: no ack, no refresh, no cursor", async () => {
  let tokens = 0;
  const token = () => ({ token: `t${(tokens += 1)}`, expiresAt: clock.now + 4_000 });
  const { made, events } = await fallen({ token });
  await events.open();
  await events.tell(welcome({ user: { seq: 0, read: 0 } }), told(1));

  assert.equal(made.markRead("user"), false);
  clock.tick(60_000);
  await settled();
  assert.equal(tokens, 4, "one for each try");
  assert.equal(asked.at(-1), events);
});

test("a ticket is shown for events, too", async () => {
  const { events } = await fallen({ token: undefined, ticket: () => "k" });

  assert.equal(events.headers.Authorization, "Ticket k");
});

test("events are read wherever their pieces end", async () => {
  const heard = [];
  const { events } = await fallen({ onNotification: ({ seq, title }) => heard.push([seq, title]) });
  await events.open();
  const text = `:\n\nevent: welcome\ndata: ${JSON.stringify(welcome({ user: { seq: 0, read: 0 } }))}\r\n\r\n`
    + `event: notification\nid: x\ndata: ${JSON.stringify(told(1))}\n\n`;
  for (const byte of new TextEncoder().encode(text)) events.write(new Uint8Array([byte]));
  await settled();
  for (let waits = 0; heard.length === 0 && waits < 1_000; waits += 1) await settled();

  assert.deepEqual(heard, [[1, "caf\u00e9\u2028"]]);
});

test("an event without end is not read on", async () => {
  const { events } = await fallen();
  await events.open();
  await events.write("a".repeat(256 * 1024 + 1));

  assert.ok(events.signal.aborted);
  assert.equal((await next()).way, "events");
});

test("what a page throws at is told again over events, and the page hears of it", async () => {
  const faults = [];
  globalThis.reportError = (error) => faults.push(error.message);
  try {
    let fails = true;
    const seqs = [];
    const { events } = await fallen({
      onNotification: ({ seq }) => {
        if (fails) throw new Error("the page's own");
        seqs.push(seq);
      },
    });
    await events.open();
    await events.tell(welcome({ user: { seq: 4, read: 0 } }), told(5));
    fails = false;
    const again = await next();
    assert.equal(again.headers["Last-Event-ID"], eventId(at(4)));
    await again.open();
    await again.tell(welcome({ user: { seq: 5, read: 0, recovered: true } }), told(5));

    assert.deepEqual([faults, seqs], [["the page's own"], [5]]);
  } finally {
    delete globalThis.reportError;
  }
});

test("who stops hears no more events", async () => {
  const { made, seen, events } = await fallen();
  await events.open();
  await events.tell(welcome({ user: { seq: 0, read: 0 } }));
  made.stop();

  assert.ok(events.signal.aborted);
  await events.tell(told(1));
  clock.tick(60_000);
  assert.deepEqual([seen.seqs, asked.at(-1)], [[], events]);
});

test("a stream whose position is of another history is missed, not passed over", async () => {
  let kept = { user: { epoch: "e1", seq: 4 }, "group:staff": { epoch: "e0", seq: 9 } };
  const memory = { load: () => kept, save: (positions) => { kept = positions; } };
  const { seen, events } = await fallen({ memory });
  assert.equal(events.headers["Last-Event-ID"], eventId(at(4)));
  await events.open();
  await events.tell(welcome({
    user: { seq: 4, read: 0, recovered: true }, "group:staff": { seq: 12, read: 0 },
  }));

  assert.deepEqual(seen.missed, ["group:staff"]);
});

test("an id has room for some groups, and says that there are others", () => {
  const groups = Array.from({ length: 1_000 }, (_, n) => [`group:team-${String(n).padStart(3, "0")}`, { epoch: "e1", seq: 9 }]);
  const id = eventId(Object.fromEntries([["user", { epoch: "e1", seq: 7 }], ...groups]));
  assert.ok(id.length <= 4_096 && id.length > 4_000, `${id.length}`);
  assert.match(id, /^ZTE:7:team-000=9:.*=9:\+$/);
});

test("a position is written as an id, and events are beside the socket", () => {
  const at = (seq, epoch = "e1") => ({ epoch, seq });
  assert.equal(eventId({ user: at(42) }), "ZTE:42");
  assert.equal(eventId({ "group:b": at(3), user: at(42), "group:a": at(9) }), "ZTE:42:a=9:b=3");
  assert.equal(eventId({ "group:b": at(3), "group:a": at(9, "e0") }), "ZTE::b=3");
  assert.match(eventId({ user: at(1, "\u00ff\u2603??>>") }), /^[\w-]+:1$/);
  assert.equal(eventId({}), null);
  assert.equal(eventsUrl("ws://a:1/v1/notifications/ws"), "http://a:1/v1/notifications/sse");
  assert.equal(eventsUrl("wss://a/ws"), "https://a/sse");
  assert.equal(eventsUrl("wss://a/else"), null);
});
