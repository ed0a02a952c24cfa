// Over what a client comes: a WebSocket, or events where WebSockets do not pass.

/** So many WebSockets in a row without a word of the server, and they do not pass. */
const TRIES = 3;
/** What lies between may be gone by then: another network, another proxy. */
const AGAIN_MS = 10 * 60_000;

export class Ways {
  #now;
  #hasEvents;
  #unheard = 0;
  #eventsUntil = -Infinity;

  constructor(hasEvents, now) {
    this.#hasEvents = hasEvents;
    this.#now = now;
  }

  /** "socket" or "events". */
  next() {
    return this.#now() < this.#eventsUntil ? "events" : "socket";
  }

  /** The server has said something: it passes. */
  heard(way) {
    if (way === "socket") this.#unheard = 0;
  }

  /** It ended, or did not begin, without a word of the server. */
  unheard(way) {
    // Perhaps it is the server that is away: it is the other's turn.
    if (way === "events") {
      this.#eventsUntil = -Infinity;
      return;
    }
    this.#unheard += 1;
    if (this.#unheard >= TRIES && this.#hasEvents) this.#eventsUntil = this.#now() + AGAIN_MS;
  }
}
