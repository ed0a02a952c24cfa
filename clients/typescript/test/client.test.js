import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Clock } from "./clock.js";
import { NotificationClient, afterClose } from "../src/client.js";

/** A server in the test's hand: the sockets that were opened, and what was said on them. */
let sockets = [];
let clock;

class Socket {
  readyState = 0;
  said = [];
  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    sockets.push(this);
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
  ends(code, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

const settled = () => new Promise((done) => setImmediate(done));
const told = (seq, stream = "user") => ({
  t: "notification", stream, seq, id: `ntf_${seq}`, time: "2026-11-22T00:00:00Z",
  type: "order.confirmed", title: "t", message: "m", data: {},
});
const welcome = (streams, epoch = "e1") => ({ t: "welcome", epoch, heartbeat_ms: 1_000, streams });

function client(options = {}) {
  const seen = { seqs: [], missed: [], states: [], unread: [], signals: [] };
  const made = new NotificationClient({
    url: "ws://shop/v1/notifications/ws",
    token: () => "token",
    onNotification: ({ stream, seq }) => seen.seqs.push(`${stream}/${seq}`),
    onSignal: (signal) => seen.signals.push(signal),
    onMissed: (stream) => seen.missed.push(stream),
    onState: (state, stopped) => seen.states.push(stopped?.code ?? state),
    onUnread: (unread) => seen.unread.push(unread),
    WebSocket: Socket,
    random: () => 0.5,
    ...options,
  });
  return { made, seen };
}

async function live(streams, options) {
  const { made, seen } = client(options);
  made.start();
  await settled();
  const [socket] = sockets;
  socket.open();
  socket.tell(welcome(streams));
  return { made, seen, socket };
}

async function again(ms = 0) {
  clock.tick(ms);
  await settled();
  const socket = sockets.at(-1);
  socket.open();
  return socket;
}

beforeEach(() => {
  sockets = [];
  clock = new Clock();
});

test("what must not interrupt says so, and counts like any other", async () => {
  const heard = [];
  const { made, socket } = await live({ user: { seq: 0, read: 0 } }, {
    onNotification: ({ seq, silent }) => heard.push([seq, silent]),
  });

  socket.tell({ ...told(1), silent: true });
  socket.tell(told(2));

  assert.deepEqual(heard, [[1, true], [2, undefined]]);
  assert.equal(made.unread, 2);
});

test("the token travels as a subprotocol, never in the url, and hello comes first", async () => {
  const { socket } = await live({ user: { seq: 0, read: 0 } });

  assert.deepEqual(socket.protocols, ["tradepost.notifications.v1", "bearer", "token"]);
  assert.equal(socket.url, "ws://shop/v1/notifications/ws");
  assert.deepEqual(socket.said, [{ t: "hello", positions: {} }]);
});

test("each notification comes once and in order", async () => {
  const { seen, socket } = await live({ user: { seq: 3, read: 1 } });

  for (const seq of [2, 3, 4, 4, 5]) socket.tell(told(seq));

  assert.deepEqual(seen.seqs, ["user/4", "user/5"]);
  assert.deepEqual(seen.unread, [2, 3, 4]);
});

test("a gap leads back to where the stream was had", async () => {
  const { seen, socket } = await live({ user: { seq: 3, read: 3 } });
  socket.tell(told(5));

  const next = await again(250);

  assert.deepEqual(seen.seqs, []);
  assert.deepEqual(next.said[0].positions, { user: { epoch: "e1", seq: 3 } });
  next.tell(welcome({ user: { seq: 5, read: 3, recovered: true } }));
  next.tell(told(4));
  next.tell(told(5));
  assert.deepEqual(seen.seqs, ["user/4", "user/5"]);
  assert.deepEqual(seen.missed, []);
});

test("a top above what is had shows a loss without traffic", async () => {
  const { socket } = await live({ user: { seq: 3, read: 3 } });

  socket.tell({ t: "tops", streams: { user: 3 } });
  assert.equal(sockets.length, 1);
  socket.tell({ t: "tops", streams: { user: 4 } });
  await again(250);

  assert.equal(sockets.length, 2);
});

test("what could not be recovered is said, and the stream goes on at its top", async () => {
  const { seen, socket } = await live({ user: { seq: 3, read: 3 } });
  socket.ends(1012);
  const next = await again(250);

  next.tell(welcome({ user: { seq: 9, read: 3, recovered: false } }, "e2"));
  next.tell(told(10));

  assert.deepEqual(seen.missed, ["user"]);
  assert.deepEqual(seen.seqs, ["user/10"]);
});

test("a node that goes is left at the moment it named, and not before", async () => {
  const { seen, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.tell({ t: "reconnect", after_ms: 700 });
  socket.tell(told(1));

  clock.tick(699);
  await settled();
  assert.equal(sockets.length, 1);
  const next = await again(1);

  assert.deepEqual(seen.seqs, ["user/1"]);
  assert.deepEqual(next.said[0].positions, { user: { epoch: "e1", seq: 1 } });
  assert.deepEqual(seen.states, ["connecting", "live", "waiting", "connecting"]);
});

test("a close with 1012 that named no moment is back-off", async () => {
  const { socket } = await live({ user: { seq: 0, read: 0 } });
  socket.ends(1012);

  clock.tick(249);
  await settled();
  assert.equal(sockets.length, 1);
  await again(1);
  assert.equal(sockets.length, 2);
});

test("a node that closes before the moment it named is come back to at that moment", async () => {
  const { made, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.tell({ t: "reconnect", after_ms: 7_000 });
  clock.tick(100);
  socket.ends(1012);
  assert.equal(made.state, "waiting");

  clock.tick(6_899);
  await settled();
  assert.equal(sockets.length, 1);
  await again(1);
  assert.equal(sockets.length, 2);
});

test("who stops while it waits for the moment stays away", async () => {
  const { made, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.tell({ t: "reconnect", after_ms: 700 });
  socket.ends(1012);
  made.stop();

  clock.tick(60_000);
  await settled();
  assert.equal(sockets.length, 1);
});

test("tries that fail are spread over a time that doubles up to half a minute", async () => {
  const { made } = client({ eventsUrl: null });
  made.start();
  await settled();
  const waits = [];
  for (let round = 0; round < 8; round += 1) {
    const before = sockets.length;
    sockets.at(-1).ends(1006);
    let waited = 0;
    while (sockets.length === before) {
      clock.tick(50);
      waited += 50;
      await settled();
    }
    waits.push(waited);
  }

  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
});

test("a server that closes right after its welcome is given time", async () => {
  const { socket } = await live({ user: { seq: 0, read: 0 } });
  socket.ends(1012);
  const second = await again(250);
  second.tell(welcome({ user: { seq: 0, read: 0, recovered: true } }));
  second.ends(1012);

  clock.tick(499);
  await settled();
  assert.equal(sockets.length, 2);
  clock.tick(1);
  await again();
  assert.equal(sockets.length, 3);
});

test("codes say whether to come back", async () => {
  assert.equal(afterClose(4401), "return");
  for (const code of [1000, 1001, 1002, 1006, 1008, 1009, 1011, 1012, 1013, 4408, 4410, 4429]) assert.equal(afterClose(code), "back-off");
  for (const code of [4403, 4501, 4503]) assert.equal(afterClose(code), "stop");
});

test("after a code that would only repeat it stays away", async () => {
  const { made, seen, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.ends(4403, "revoked");
  clock.tick(60_000);
  await settled();

  assert.equal(sockets.length, 1);
  assert.equal(made.state, "stopped");
  assert.deepEqual(seen.states, ["connecting", "live", 4403]);
});

test("a server that is silent for two heartbeats is left", async () => {
  await live({ user: { seq: 0, read: 0 } });

  clock.tick(1_999);
  await settled();
  assert.equal(sockets.length, 1);
  clock.tick(1);
  await again(250);

  assert.equal(sockets.length, 2);
});

test("acks are cumulative and gathered", async () => {
  const none = { seq: 0, read: 0 };
  const { socket } = await live({ user: none, "group:staff": none }, { now: () => clock.now });
  for (const seq of [1, 2, 3]) socket.tell(told(seq));
  clock.tick(400);
  socket.tell(told(1, "group:staff"));
  clock.tick(600);

  const streams = { user: 3, "group:staff": 1 };
  assert.deepEqual(socket.said.slice(1), [{ t: "ack", streams, held_ms: 600 }]);
});

test("reading moves the cursor on this and on other connections", async () => {
  const { made, socket } = await live({ user: { seq: 5, read: 1 } });
  assert.equal(made.unread, 4);

  made.markRead("user", 3);
  made.markRead("group:none", 3);
  assert.deepEqual(socket.said.slice(1), [{ t: "read", streams: { user: 3 } }]);
  socket.tell({ t: "read", streams: { user: 3 } });
  assert.equal(made.unread, 2);
  made.markRead("user", 2);
  assert.equal(socket.said.length, 2);
});

test("what was told before a late joining was heard of is said to be missed", async () => {
  const { seen, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.tell({ t: "joined", stream: "group:a", seq: 7, recovered: false });
  socket.tell(told(8, "group:a"));

  assert.deepEqual(seen.missed, ["group:a"]);
  assert.deepEqual(seen.seqs, ["group:a/8"]);
});

test("groups come and go", async () => {
  const { seen, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.tell({ t: "joined", stream: "group:a", seq: 7 });
  socket.tell(told(8, "group:a"));
  socket.tell({ t: "left", stream: "group:a" });
  socket.tell(told(9, "group:a"));

  assert.deepEqual(seen.seqs, ["group:a/8"]);
});

test("signals pass, and what is not known is passed over", async () => {
  const { seen, socket } = await live({ user: { seq: 0, read: 0 } });
  socket.tell({ t: "signal", id: "ntf_1", type: "typing", title: "t", message: "", data: {} });
  socket.tell({ t: "something new" });

  assert.deepEqual(seen.signals, [
    { id: "ntf_1", type: "typing", title: "t", message: "", data: {} },
  ]);
  assert.equal(sockets.length, 1);
});

test("positions outlive the page where there is a memory", async () => {
  let kept = { user: { epoch: "e1", seq: 4 } };
  const memory = { load: () => kept, save: (positions) => { kept = positions; } };
  const { socket } = await live({ user: { seq: 5, read: 0, recovered: true } }, { memory });
  assert.deepEqual(socket.said[0].positions, { user: { epoch: "e1", seq: 4 } });

  socket.tell(told(5));

  assert.deepEqual(kept, { user: { epoch: "e1", seq: 5 } });
});

test("a position is kept only after the page has had the notification", async () => {
  let kept = { user: { epoch: "e1", seq: 4 } };
  const memory = { load: () => kept, save: (positions) => { kept = positions; } };
  const during = [];
  const { made, socket } = await live({ user: { seq: 4, read: 0, recovered: true } }, {
    memory,
    onNotification: () => {
      during.push(kept.user.seq);
      made.stop();
    },
  });

  socket.tell(told(5));

  assert.deepEqual(during, [4]);
  assert.deepEqual(kept, { user: { epoch: "e1", seq: 5 } });
  clock.tick(60_000);
  await settled();
  assert.deepEqual(socket.said.map(({ t }) => t), ["hello"]);
});

test("what a page throws at is told again", async () => {
  let kept;
  let fails = true;
  const seqs = [];
  const memory = { load: () => kept, save: (positions) => { kept = positions; } };
  const { socket } = await live({ user: { seq: 4, read: 0 } }, {
    memory,
    onNotification: ({ seq }) => {
      if (fails) throw new Error("the page's own");
      seqs.push(seq);
    },
  });

  assert.throws(() => socket.tell(told(5)), /the page's own/);
  assert.deepEqual(kept, { user: { epoch: "e1", seq: 4 } });
  fails = false;
  const next = await again(250);
  assert.deepEqual(next.said[0].positions, { user: { epoch: "e1", seq: 4 } });
  next.tell(welcome({ user: { seq: 5, read: 0, recovered: true } }));
  next.tell(told(5));

  assert.deepEqual(seqs, [5]);
  assert.deepEqual(kept, { user: { epoch: "e1", seq: 5 } });
});

test("who stops hears nothing more, not even of a token that comes late", async () => {
  let give;
  const { made, seen } = client({ token: () => new Promise((done) => { give = done; }) });
  made.start();
  made.stop();
  give("late");
  await settled();

  assert.equal(sockets.length, 0);
  assert.deepEqual(seen.states, ["connecting", "stopped"]);
});

test("a token is followed by the next before it runs out, on the same connection", async () => {
  let tokens = 0;
  const token = () => ({ token: `t${(tokens += 1)}`, expiresAt: clock.now + 400_000 });
  const { socket } = await live({}, { token, now: () => clock.now });
  const beats = async (ms) => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      socket.tell({ t: "tops", streams: {} });
      clock.tick(1_000);
    }
    await settled();
  };
  const refreshes = () => socket.said.filter(({ t }) => t === "refresh").map((it) => it.token);

  assert.deepEqual(socket.protocols, ["tradepost.notifications.v1", "bearer", "t1"]);
  await beats(339_000);
  assert.deepEqual(refreshes(), []);
  await beats(2_000);
  assert.deepEqual(refreshes(), ["t2"]);
  // No answer: said again. An answer: not before that one runs out.
  await beats(10_000);
  assert.deepEqual(refreshes(), ["t2", "t3"]);
  socket.tell({ t: "refreshed", expires_at: new Date(clock.now + 100_000).toISOString() });
  await beats(74_000);
  assert.deepEqual(refreshes(), ["t2", "t3"]);
  await beats(2_000);
  assert.deepEqual(refreshes(), ["t2", "t3", "t4"]);
  assert.equal(sockets.length, 1);
});

test("a token that says nothing of its end is not refreshed, nor one that cannot be had", async () => {
  let fails = false;
  const token = () => {
    if (fails) throw new Error("offline");
    return { token: "t", expiresAt: clock.now + 4_000 };
  };
  const { socket: silent } = await live({});
  clock.tick(1_999);
  assert.deepEqual(silent.said.map(({ t }) => t), ["hello"]);

  sockets = [];
  const { socket } = await live({}, { token, now: () => clock.now });
  fails = true;
  for (let second = 0; second < 13; second += 1) {
    socket.tell({ t: "tops", streams: {} });
    clock.tick(1_000);
    await settled();
    fails = second < 10;
  }
  assert.deepEqual(socket.said.map(({ t }) => t), ["hello", "refresh"]);
});

test("a ticket is shown in place of a token, another for each try", async () => {
  let tickets = 0;
  const { socket } = await live({}, { ticket: async () => `k${(tickets += 1)}`, token: undefined });
  assert.deepEqual(socket.protocols, ["tradepost.notifications.v1", "ticket", "k1"]);

  socket.ends(4401);
  const next = await again();

  assert.deepEqual(next.protocols, ["tradepost.notifications.v1", "ticket", "k2"]);
});
