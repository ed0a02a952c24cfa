// See client.d.ts for what each part promises, and docs/websocket-protocol.md for the protocol.

import { Events, eventsUrl } from "./events.js";
import { Ways } from "./way.js";

const SUBPROTOCOL = "tradepost.notifications.v1";
const BACK_OFF_MIN_MS = 500;
const BACK_OFF_MAX_MS = 30_000;
const ACK_EVERY_MS = 1_000;
// How long a welcome may take: nothing that the server has said bounds it.
const WELCOME_MAX_MS = 15_000;
const OPEN = 1;
/** A token is refreshed so long before it runs out, or when a quarter of its time is left. */
const REFRESH_BEFORE_MS = 60_000;
/** An answer that has not come by then is asked for again. */
const REFRESH_AGAIN_MS = 10_000;
/** The longest a timer takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** It ended without a close. */
const BROKEN = 1006;
/** The node goes. */
const RESTART = 1012;
/** Codes after which coming back at once is what the server expects: the token ran out. */
const RETURN = new Set([4401]);
/** Codes that coming back would only repeat. */
const STOP = new Set([4403, 4501, 4503]);
/** Statuses of the server's own after which it is worth coming back. */
const UNTAKEN = 401;
const REFUSED_NOW = new Set([UNTAKEN, 429, 503]);

export function afterClose(code) {
  if (STOP.has(code)) return "stop";
  return RETURN.has(code) ? "return" : "back-off";
}

/** Of a proxy before a server that is away, as a rule. */
function isAway(status) {
  return status === 408 || (status >= 500 && status !== 503);
}

function refused(status) {
  return { status, reason: `refused with status ${status}` };
}

export class NotificationClient {
  #options;
  #socket = null;
  #eventsUrl;
  #ways;
  #way = "socket";
  /** The server has said something on this connection. */
  #isHeard = false;
  #state = "stopped";
  #epoch = null;
  /** By stream: what is had, what is told, what is read. */
  #streams = new Map();
  #positions;
  #tries = 0;
  #timers = { retry: null, silence: null, ack: null, leave: null, refresh: null };
  /** When the credentials of this connection run out, if that is known. */
  #expiresAt;
  #unacked = new Set();
  /** When the last of what is not acknowledged came. */
  #cameAt = 0;
  #silenceMs = WELCOME_MAX_MS;
  /** What was not taken: to show it again would only repeat. */
  #untaken;
  #secret;
  /** Counts starts and stops, so that what an old socket says late is known as such. */
  #generation = 0;

  constructor(options) {
    this.#options = options;
    this.#positions = { ...options.memory?.load() };
    this.#eventsUrl = options.eventsUrl === undefined ? eventsUrl(options.url) : options.eventsUrl;
    this.#ways = new Ways(this.#eventsUrl !== null, options.now ?? Date.now);
  }

  get way() {
    return this.#way;
  }

  get state() {
    return this.#state;
  }

  get unread() {
    let unread = 0;
    for (const { top, read } of this.#streams.values()) unread += Math.max(0, top - read);
    return unread;
  }

  start() {
    if (this.#state !== "stopped") return;
    this.#tries = 0;
    this.#untaken = undefined;
    this.#open();
  }

  stop() {
    this.#leave();
    this.#become("stopped", { reason: "stopped by the page" });
  }

  markRead(stream, seq) {
    const known = this.#streams.get(stream);
    if (known === undefined) return false;
    const upTo = Math.min(seq ?? known.top, known.top);
    return upTo <= known.read || this.#say({ t: "read", streams: { [stream]: upTo } });
  }

  async #open() {
    const generation = ++this.#generation;
    this.#become("connecting");
    let credentials;
    try {
      credentials = await this.#credentials();
    } catch {
      if (generation === this.#generation) this.#retry();
      return;
    }
    if (generation !== this.#generation) return;
    if (credentials[1] === this.#untaken) return this.#become("stopped", refused(UNTAKEN));
    this.#secret = credentials[1];
    const socket = this.#connect(credentials);
    this.#socket = socket;
    this.#silenceMs = WELCOME_MAX_MS;
    const ours = () => generation === this.#generation;
    socket.onopen = () => ours() && this.#opened();
    socket.onmessage = ({ data }) => ours() && this.#hear(data);
    socket.onclose = (closed) => ours() && this.#closed(closed);
    this.#heard();
  }

  #connect([kind, secret]) {
    this.#way = this.#ways.next();
    this.#isHeard = false;
    if (this.#way === "events") {
      const authorization = `${kind === "ticket" ? "Ticket" : "Bearer"} ${secret}`;
      const fetch = this.#options.fetch ?? globalThis.fetch.bind(globalThis);
      return new Events(this.#eventsUrl, { authorization, positions: this.#positions, fetch });
    }
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    // As subprotocols: a page cannot set a header.
    return new Socket(this.#options.url, [SUBPROTOCOL, kind, secret]);
  }

  #opened() {
    // An answer of events is the server's; an open WebSocket may be a proxy's, who passes nothing on.
    if (this.#way === "events") this.#isHeard = true;
    else this.#say({ t: "hello", positions: this.#positions });
  }

  /** What it is and the secret. */
  async #credentials() {
    this.#expiresAt = undefined;
    const { ticket } = this.#options;
    if (ticket !== undefined) return ["ticket", await ticket()];
    return ["bearer", this.#token(await this.#options.token())];
  }

  /** A token, with or without the time it runs out. */
  #token(given) {
    if (typeof given === "string") return given;
    this.#expiresAt = given.expiresAt;
    return given.token;
  }

  /** Says the next token before this one runs out, so that the connection stays. */
  #refreshBefore(expiresAt) {
    // Over events nothing is said: they end with the token, and the next begins with another.
    if (expiresAt === undefined || this.#way === "events") return;
    const left = new Date(expiresAt).getTime() - this.#now();
    this.#refreshIn(Math.max(0, left - Math.min(REFRESH_BEFORE_MS, left / 4)));
  }

  #refreshIn(ms) {
    clearTimeout(this.#timers.refresh);
    this.#timers.refresh = setTimeout(() => this.#refresh(), Math.min(ms, TIMER_MAX_MS));
  }

  async #refresh() {
    const generation = this.#generation;
    this.#refreshIn(REFRESH_AGAIN_MS);
    let token;
    try {
      token = this.#token(await this.#options.token());
    } catch {
      return;
    }
    if (generation === this.#generation) this.#say({ t: "refresh", token });
  }

  #hear(text) {
    this.#isHeard = true;
    this.#ways.heard(this.#way);
    this.#heard();
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#comeBack();
    }
    switch (message.t) {
      case "welcome": return this.#welcome(message);
      case "notification": return this.#notification(message);
      case "signal": return this.#options.onSignal?.(without(message));
      case "tops": return this.#tops(message.streams);
      case "read": return this.#read(message.streams);
      case "joined": return this.#joined(message);
      case "left": return this.#left(message.stream);
      case "refreshed": return this.#refreshBefore(message.expires_at);
      // Every client has another moment: whoever kept to none would come with all others at once.
      case "reconnect": return this.#leaveIn(message.after_ms);
      // A newer server may say more: what is not known is no fault.
      default:
    }
  }

  #welcome({ epoch, heartbeat_ms: heartbeat, streams }) {
    this.#epoch = epoch;
    this.#silenceMs = 2 * heartbeat;
    this.#heard();
    this.#streams = new Map();
    const missed = [];
    for (const [stream, { seq, read, recovered }] of Object.entries(streams)) {
      const had = this.#positions[stream];
      const goesOn = recovered === true && had !== undefined;
      // What is recovered follows, from behind what was had.
      this.#streams.set(stream, { have: goesOn ? had.seq : seq, top: seq, read });
      if (had !== undefined && !goesOn) missed.push(stream);
    }
    this.#become("live");
    this.#refreshBefore(this.#expiresAt);
    this.#keep();
    for (const stream of missed) this.#options.onMissed?.(stream);
    this.#options.onUnread?.(this.unread);
  }

  #notification(message) {
    const known = this.#streams.get(message.stream);
    // Told at least once: a repetition is no news.
    if (known === undefined || message.seq <= known.have) return;
    if (message.seq !== known.have + 1) return this.#comeBack();
    known.top = Math.max(known.top, message.seq);
    const generation = this.#generation;
    try {
      this.#options.onNotification(without(message));
    } catch (error) {
      // It is not had: it is told again from where the stream stands.
      if (generation === this.#generation) this.#comeBack();
      throw error;
    }
    // Not before: a page that ends in between, or throws, is told again.
    known.have = message.seq;
    this.#keep();
    // It may have stopped the client.
    if (generation !== this.#generation) return;
    this.#unacked.add(message.stream);
    this.#cameAt = this.#now();
    this.#timers.ack ??= setTimeout(() => this.#ack(), ACK_EVERY_MS);
    this.#options.onUnread?.(this.unread);
  }

  /** All up to a top was said on this socket before it: whoever has less has lost something. */
  #tops(streams) {
    // A whole heartbeat went well. Not the welcome: a server that closes right after it needs time.
    this.#tries = 0;
    for (const [stream, top] of Object.entries(streams)) {
      const known = this.#streams.get(stream);
      if (known !== undefined && top > known.have) return this.#comeBack();
    }
  }

  #read(streams) {
    for (const [stream, seq] of Object.entries(streams)) {
      const known = this.#streams.get(stream);
      if (known !== undefined) known.read = Math.max(known.read, seq);
    }
    this.#options.onUnread?.(this.unread);
  }

  #joined({ stream, seq, recovered }) {
    this.#streams.set(stream, { have: seq, top: seq, read: seq });
    this.#keep();
    if (recovered === false) this.#options.onMissed?.(stream);
  }

  #left(stream) {
    this.#streams.delete(stream);
    this.#keep();
    this.#options.onUnread?.(this.unread);
  }

  #ack() {
    this.#timers.ack = null;
    const streams = {};
    for (const stream of this.#unacked) {
      const known = this.#streams.get(stream);
      if (known !== undefined) streams[stream] = known.have;
    }
    this.#unacked.clear();
    if (Object.keys(streams).length === 0) return;
    // So that what was gathered is not measured as being on its way.
    const held = Math.max(0, Math.round(this.#now() - this.#cameAt));
    this.#say({ t: "ack", streams, held_ms: held });
  }

  #now() {
    return (this.#options.now ?? Date.now)();
  }

  #say(message) {
    if (this.#way === "events" || this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #keep() {
    this.#positions = {};
    for (const [stream, { have }] of this.#streams) {
      this.#positions[stream] = { epoch: this.#epoch, seq: have };
    }
    this.#options.memory?.save(this.#positions);
  }

  /** Whoever is silent for twice the heartbeat is gone, whatever TCP believes. */
  #heard() {
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => this.#comeBack(), this.#silenceMs);
  }

  #closed({ code, reason, status, afterMs }) {
    if (code !== BROKEN) this.#isHeard = true;
    this.#countWay(status);
    if (code === RESTART && afterMs !== undefined) this.#leaveIn(afterMs);
    // It was told when to come: no sooner, and without back-off.
    if (code === RESTART && this.#timers.leave !== null) return this.#waitForMoment();
    this.#leave();
    if (status !== undefined && !isAway(status) && !REFUSED_NOW.has(status)) {
      return this.#become("stopped", refused(status));
    }
    if (status === UNTAKEN) this.#untaken = this.#secret;
    const what = afterClose(code);
    if (what === "stop") return this.#become("stopped", { code, reason });
    // Once at once; a server that closes again and again is given time.
    const atOnce = what === "return" && this.#tries === 0;
    return this.#retry({ atOnce, leastMs: status === undefined ? 0 : afterMs });
  }

  /** What breaks one connection often breaks those of all: nobody comes back at once. */
  #comeBack() {
    this.#countWay();
    this.#leave();
    this.#retry();
  }

  /** Whether this way passes, now that it has ended. */
  #countWay(status) {
    const isRefused = status !== undefined && !isAway(status);
    if (this.#isHeard || isRefused) this.#ways.heard(this.#way);
    else this.#ways.unheard(this.#way);
  }

  #leaveIn(ms) {
    this.#timers.leave ??= setTimeout(() => this.#return(), ms);
  }

  /** The moment that the node named has come. */
  #return() {
    this.#leave();
    this.#become("waiting");
    this.#open();
  }

  /** The node has gone before the moment that it named: the timer of it stays. */
  #waitForMoment() {
    const { leave } = this.#timers;
    this.#timers.leave = null;
    this.#leave();
    this.#timers.leave = leave;
    this.#become("waiting");
  }

  /** After a random part of a time that doubles with each try, and no sooner than that. */
  #retry({ atOnce = false, leastMs = 0 } = {}) {
    const most = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** this.#tries);
    const random = this.#options.random ?? Math.random;
    this.#tries += 1;
    this.#become("waiting");
    const wait = atOnce ? 0 : leastMs + random() * most;
    this.#timers.retry = setTimeout(() => this.#open(), wait);
  }

  /** The socket is not ours any more, and nothing is under way. */
  #leave() {
    this.#generation += 1;
    for (const name of Object.keys(this.#timers)) {
      clearTimeout(this.#timers[name]);
      this.#timers[name] = null;
    }
    this.#unacked.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #become(state, stopped) {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(state, stopped);
  }
}

function without({ t: _kind, ...message }) {
  return message;
}
