/* Keeps the parts of the page fresh: the server sends the HTML of what changed, nothing else moves. */
import { setServerTime, tick } from "./clocks.js";
import { showPossibleActions } from "./dialogs.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const SILENCE_MS = 25_000; // the server speaks at least every 10 s
const SIGNED_OUT = 4401;
const GONE = 4404;
const WORDS = { connecting: "Connecting", live: "Live", stale: "Stale, reconnecting", out: "Signed out", gone: "Gone" };

export function startLive(path) {
  if (!path) return;
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  connect(url, FIRST_RETRY_MS);
}

function connect(url, retryMs) {
  const socket = new WebSocket(url);
  let nextRetryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  let silence = setTimeout(() => socket.close(), SILENCE_MS);
  socket.addEventListener("message", (event) => {
    clearTimeout(silence);
    silence = setTimeout(() => socket.close(), SILENCE_MS);
    nextRetryMs = FIRST_RETRY_MS;
    receive(JSON.parse(event.data));
  });
  socket.addEventListener("close", (event) => {
    clearTimeout(silence);
    if (event.code === SIGNED_OUT) return show("out");
    if (event.code === GONE) return show("gone");
    show("stale");
    // Spread out, so that pages do not all come back in the same moment after a restart.
    setTimeout(() => connect(url, nextRetryMs), retryMs * (0.75 + Math.random() / 2));
  });
}

function receive(message) {
  setServerTime(message.at);
  show(message.type === "stale" ? "stale" : "live");
  for (const [name, html] of Object.entries(message.parts ?? {})) place(name, html);
  if (message.parts) {
    tick();
    showPossibleActions();
  }
}

function place(name, html) {
  const region = document.querySelector(`[data-region="${CSS.escape(name)}"]`) ?? newTurn(name);
  if (!region || region.innerHTML.trim() === html) return;
  region.innerHTML = html;
  if (name.startsWith("turn-")) putInOrder(region);
}

function newTurn(name) {
  const turns = document.querySelector("[data-turns]");
  if (!turns || !name.startsWith("turn-")) return null;
  document.querySelector("[data-empty]")?.remove();
  const item = document.createElement("li");
  item.dataset.region = name;
  item.className = "is-new";
  turns.append(item);
  return item;
}

function startOf(item) {
  return Number(item.querySelector("[data-seek]").dataset.seek);
}

function putInOrder(item) {
  const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 200;
  const others = [...item.parentElement.children].filter((other) => other !== item);
  const later = others.find((other) => startOf(other) > startOf(item));
  item.parentElement.insertBefore(item, later ?? null);
  if (isAtEnd && !later) item.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function show(state) {
  for (const badge of document.querySelectorAll("[data-live-badge]")) {
    if (badge.dataset.state === state) continue;
    badge.dataset.state = state;
    badge.querySelector("[data-live-text]").textContent = WORDS[state];
  }
}
