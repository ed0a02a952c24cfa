import { NotificationClient } from "/demo/client.js";

const LIVE_MAX = 100;
const PAGE_SIZE = 20;
// A token that is about to run out is exchanged before it is shown.
const SPARE_MS = 30_000;
const LAMP = { connecting: "connecting", live: "live", waiting: "connection lost, trying again" };

const part = (id) => document.getElementById(id);
const socketUrl = new URL("/v1/notifications/ws", location.href);
socketUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";

/** Tokens stay in this page's memory: nothing of them outlives it. */
let login = null;
let client = null;
let nextPage = "";

async function call(method, path, body, token) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const value = text === "" ? {} : JSON.parse(text);
  if (!answer.ok) throw new Error(value.detail ?? `the server answered ${answer.status}`);
  return value;
}

function keep(tokens) {
  login = {
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    until: Date.now() + tokens.expires_in * 1_000,
  };
}

async function token() {
  if (Date.now() > login.until - SPARE_MS) {
    keep(await call("POST", "/v1/auth/refresh", { refresh_token: login.refresh }));
  }
  return login.access;
}

function item({ type, title, message, stream }, time, read) {
  const line = document.createElement("li");
  line.dataset.read = String(read);
  const [strong, small, text] = ["strong", "small", "p"].map((tag) => document.createElement(tag));
  strong.textContent = title;
  small.textContent = ` ${new Date(time).toLocaleString()} · ${stream} · ${type}`;
  text.textContent = message;
  line.append(strong, small, text);
  return line;
}

function show(notification) {
  const line = item(notification, notification.time, false);
  // It must not interrupt: it stands there, and draws no eye to it.
  line.dataset.silent = String(notification.silent === true);
  part("live").prepend(line);
  while (part("live").children.length > LIVE_MAX) part("live").lastChild.remove();
}

async function older(fromStart) {
  if (fromStart) {
    nextPage = "";
    part("history").replaceChildren();
  }
  const query = new URLSearchParams({ page_size: PAGE_SIZE });
  if (nextPage !== "") query.set("page_token", nextPage);
  const page = await call("GET", `/v1/notifications?${query}`, undefined, await token());
  for (const notification of page.notifications) {
    const { create_time: time, read } = notification;
    part("history").append(item(notification, time, read));
  }
  nextPage = page.next_page_token ?? "";
  part("more").hidden = nextPage === "";
}

function lamp(state, stopped) {
  const text = stopped ? `not connected: ${stopped.reason}` : LAMP[state];
  const byEvents = state === "live" && client.way === "events";
  part("lamp").dataset.state = state;
  part("lamp").textContent = byEvents ? `${text}, by events` : text;
}

function fault(error) {
  part("fault").textContent = error.message;
}

function connect() {
  client = new NotificationClient({
    url: socketUrl.href,
    token,
    onNotification: show,
    onMissed: () => older(true).catch(fault),
    onState: lamp,
    onUnread: (unread) => { part("unread").textContent = String(unread); },
  });
  client.start();
}

part("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  fault({ message: "" });
  const given = [...new FormData(event.target)].filter(([, value]) => value !== "");
  try {
    const device = { device: "the demo page" };
    keep(await call("POST", "/v1/auth/login", { ...Object.fromEntries(given), ...device }));
    event.target.reset();
    await older(true);
    connect();
  } catch (error) {
    return fault(error);
  }
  part("login").hidden = true;
  for (const id of ["shop", "log-out"]) part(id).hidden = false;
  part("read-all").disabled = false;
});

part("more").addEventListener("click", () => older(false).catch(fault));

part("read-all").addEventListener("click", async () => {
  try {
    await call("POST", "/v1/notifications/read", {}, await token());
    for (const line of document.querySelectorAll("li")) line.dataset.read = "true";
  } catch (error) {
    fault(error);
  }
});

part("log-out").addEventListener("click", async () => {
  client.stop();
  try {
    await call("POST", "/v1/auth/logout", {}, login.access);
  } finally {
    location.reload();
  }
});
