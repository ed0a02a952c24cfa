// Server-sent events with the face of a WebSocket: the same messages, for whom no WebSocket passes.
// Not the browser's EventSource: that one shows no credentials, and comes back by itself.

const CONTENT_TYPE = "text/event-stream";
/** What a WebSocket says that ended without a close. */
const BROKEN = 1006;
/** The most of an event: a message, and its id. */
const BLOCK_MAX = 256 * 1024;
/** The most of an id, and what stands at the end of one that has no room for all groups. */
const ID_BYTES_MAX = 4 * 1024;
const OTHERS = ":+";
const OPEN = 1;
const CLOSED = 3;

/** Where events are beside a WebSocket; null where nobody knows. */
export function eventsUrl(socketUrl) {
  const [, secure = "", place] = /^ws(s?):\/\/(.*)\/ws$/.exec(socketUrl) ?? [];
  return place === undefined ? null : `http${secure}://${place}/sse`;
}

/**
 * Positions as the id of an event, as docs/websocket-protocol.md writes it; null for who stands
 * nowhere. All of them are of one history.
 */
export function eventId(positions) {
  const [first] = Object.values(positions);
  if (first === undefined) return null;
  const places = Object.entries(positions).filter(([, { epoch }]) => epoch === first.epoch).sort();
  const { user, ...groups } = Object.fromEntries(places);
  let id = `${base64url(first.epoch)}:${user?.seq ?? ""}`;
  for (const [group, { seq }] of Object.entries(groups)) {
    const part = `:${group.slice("group:".length)}=${seq}`;
    if (id.length + part.length + OTHERS.length > ID_BYTES_MAX) return id + OTHERS;
    id += part;
  }
  return id;
}

/** An epoch is opaque: it may have any character. */
function base64url(text) {
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The same as a WebSocket to who uses it; `onclose` may have `status` and `afterMs` besides. */
export class Events {
  readyState = 0;
  #stop = new AbortController();
  #line = "";
  #block = {};

  constructor(url, { authorization, positions, fetch }) {
    const headers = { Accept: CONTENT_TYPE, Authorization: authorization };
    const id = eventId(positions);
    if (id !== null) headers["Last-Event-ID"] = id;
    this.#follow(url, { headers, fetch }).then(
      (end) => this.#end(end),
      () => this.#end({}),
    );
  }

  /** A client of events says nothing. */
  send() {}

  close() {
    this.readyState = CLOSED;
    this.#stop.abort();
  }

  async #follow(url, { headers, fetch }) {
    const { signal } = this.#stop;
    const answer = await fetch(url, { headers, signal, cache: "no-store" });
    if (!answer.ok) return refusal(answer);
    // Somebody else's, who lies between.
    if (!answer.headers.get("Content-Type")?.startsWith(CONTENT_TYPE)) return {};
    this.readyState = OPEN;
    this.onopen?.();
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.readyState === CLOSED) return {};
      const closed = this.#take(decoder.decode(value, { stream: true }));
      if (closed !== undefined) return closed;
    }
  }

  /** Tells what came; how it ends, if this was the last event. */
  #take(text) {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop();
    for (const line of lines) {
      const closed = this.#read(line.replace(/\r$/, ""));
      if (closed !== undefined) return closed;
    }
    const size = this.#line.length + (this.#block.data?.length ?? 0);
    return size > BLOCK_MAX ? {} : undefined;
  }

  #read(line) {
    if (line !== "") {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      const { data } = this.#block;
      this.#block[name] = name === "data" && data !== undefined ? `${data}\n${value}` : value;
      return undefined;
    }
    const { event, data, retry } = this.#block;
    this.#block = {};
    if (data === undefined) return undefined;
    if (event !== "closed") {
      try {
        this.onmessage?.({ data });
      } catch (error) {
        report(error);
      }
      return undefined;
    }
    const { code, reason } = JSON.parse(data);
    return { code, reason, afterMs: retry === undefined ? undefined : Number(retry) };
  }

  #end({ code = BROKEN, reason = "", status, afterMs }) {
    this.close();
    this.onclose?.({ code, reason, status, afterMs });
  }
}

/** The page's own fault, told where a WebSocket's would be; it must not end the reading unseen. */
function report(error) {
  if (globalThis.reportError !== undefined) return globalThis.reportError(error);
  queueMicrotask(() => { throw error; });
}

function refusal({ status, headers }) {
  const seconds = Number(headers.get("Retry-After"));
  const afterMs = Number.isFinite(seconds) ? seconds * 1_000 : 0;
  return { status, afterMs };
}
