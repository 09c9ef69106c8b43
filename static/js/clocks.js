/* Durations that run: every <time data-since="…"> shows how long ago that was, by the server's clock. */
let aheadMs = 0;

export function setServerTime(iso) {
  aheadMs = Date.parse(iso) - Date.now();
}

export function spell(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function tick(root = document) {
  const nowMs = Date.now() + aheadMs;
  for (const time of root.querySelectorAll("time[data-since]")) {
    time.textContent = spell((nowMs - Date.parse(time.dataset.since)) / 1000);
  }
}

export function startClocks() {
  tick();
  setInterval(tick, 1000);
}
