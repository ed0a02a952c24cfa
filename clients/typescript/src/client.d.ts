/** "user", or "group:" and the group's id. */
export type Stream = string;

/** Up to where a stream is had, and of which history. */
export interface Position {
  epoch: string;
  seq: number;
}

/** What was told for good, at its place in its stream. */
export interface Notification {
  stream: Stream;
  /** 1 more than that of the one before it in its stream. */
  seq: number;
  id: string;
  /** RFC 3339. */
  time: string;
  type: string;
  title: string;
  message: string;
  data: Record<string, unknown>;
  /** True: it must not interrupt the person, who prefers so. Absent: it may. */
  silent?: true;
}

/** What was told in passing: never stored, never repeated. */
export interface Signal {
  id: string;
  type: string;
  title: string;
  message: string;
  data: Record<string, unknown>;
}

/** `connecting`: a socket is being opened, or was and says no welcome yet. `waiting`: for the next try. */
export type State = "connecting" | "live" | "waiting" | "stopped";

/** Why a client has stopped for good; it has to be started again by whoever can mend it. */
export interface Stopped {
  /** The code the server closed with. */
  code?: number;
  /** The status that events were refused with. */
  status?: number;
  reason: string;
}

/** Where positions outlive the page; without one they live as long as the client. */
export interface Memory {
  load(): Record<Stream, Position>;
  save(positions: Record<Stream, Position>): void;
}

/** An access token; with the time it runs out (RFC 3339, or as `Date` takes it), the next is asked for before. */
export type Token = string | { token: string; expiresAt: string | number | Date };

export interface Options {
  /** E.g. `wss://shop.example/v1/notifications/ws`. */
  url: string;
  /**
   * Where the same is told as server-sent events, for networks that pass no WebSocket. Left out, it
   * is beside a `url` that ends in `/ws`, at `/sse`; null, the client keeps to WebSockets.
   */
  eventsUrl?: string | null;
  /**
   * The access token; asked for before each try, so return a fresh one. One that says when it runs out
   * is followed by the next on the same connection.
   */
  token?: () => Token | Promise<Token>;
  /**
   * A ticket (`POST /v1/notifications/tickets`), good once, in place of a token: asked for before each
   * try. For pages that hold no token themselves.
   */
  ticket?: () => string | Promise<string>;
  /**
   * Each notification once, in the order of its stream. Its position is kept when this returns: if it
   * throws, or the page ends before, the notification is told again.
   */
  onNotification: (notification: Notification) => void;
  onSignal?: (signal: Signal) => void;
  /** What came before this in the stream was missed for good: fetch the history. */
  onMissed?: (stream: Stream) => void;
  onState?: (state: State, stopped?: Stopped) => void;
  onUnread?: (unread: number) => void;
  memory?: Memory;
  /** For programs without a global one, and for tests. */
  WebSocket?: typeof WebSocket;
  /** In place of the global one, by which events are read. */
  fetch?: typeof fetch;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
  /** From 0 to below 1; for tests. */
  random?: () => number;
}

/**
 * A connection that comes back: it follows docs/websocket-protocol.md, resumes where it was, drops
 * what it has already, and says so when something was missed.
 */
export class NotificationClient {
  constructor(options: Options);
  /** Opens the connection; without effect while it is started. */
  start(): void;
  /** Closes it for good, until `start`. */
  stop(): void;
  /**
   * The person has read the stream up to `seq`; without `seq`, up to where it stands. False: it could
   * not be said, since there is no connection, or it is one of events: say it by
   * `POST /v1/notifications/read`.
   */
  markRead(stream: Stream, seq?: number): boolean;
  readonly state: State;
  /** Over what it hears, or tries to. */
  readonly way: "socket" | "events";
  /** Over all streams; right from the first welcome on. */
  readonly unread: number;
}

/** What a client does after a close with this code, if no `reconnect` has named another moment. */
export function afterClose(code: number): "return" | "back-off" | "stop";
