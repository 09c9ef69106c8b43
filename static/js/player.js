/* The recording: play, seek, speed, a waveform of both sides, and the turn that is being heard. */
import { spell } from "./clocks.js";

const SPEEDS = [1, 1.25, 1.5, 2];
const SKIP_S = 5;

export function startPlayer() {
  const player = document.querySelector("[data-player]");
  if (!player) return;
  const audio = player.querySelector("audio");
  const wave = player.querySelector("[data-wave]");
  const drawing = { canvas: wave.querySelector("canvas"), channels: [], audio };

  player.querySelector("[data-play]").addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
  player.querySelector("[data-speed]").addEventListener("click", (event) => {
    audio.playbackRate = SPEEDS[(SPEEDS.indexOf(audio.playbackRate) + 1) % SPEEDS.length];
    event.target.textContent = `${audio.playbackRate}×`;
  });
  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      player.toggleAttribute("data-playing", !audio.paused);
      player.querySelector("[data-play]").setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    });
  }
  audio.addEventListener("loadedmetadata", () => {
    player.querySelector("[data-length]").textContent = spell(audio.duration);
    wave.setAttribute("aria-valuemax", Math.round(audio.duration));
  });
  audio.addEventListener("timeupdate", () => {
    player.querySelector("[data-position]").textContent = spell(audio.currentTime);
    wave.setAttribute("aria-valuenow", Math.round(audio.currentTime));
    wave.setAttribute("aria-valuetext", spell(audio.currentTime));
    markTurn(audio.currentTime * 1000);
    draw(drawing);
  });
  wave.addEventListener("pointerdown", (event) => {
    const box = wave.getBoundingClientRect();
    seek(audio, ((event.clientX - box.left) / box.width) * audio.duration);
  });
  wave.addEventListener("keydown", (event) => {
    const step = { ArrowRight: SKIP_S, ArrowLeft: -SKIP_S }[event.key];
    if (step) seek(audio, audio.currentTime + step);
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-seek]");
    if (!target || String(getSelection())) return;
    seek(audio, Number(target.dataset.seek) / 1000);
    audio.play();
  });
  new ResizeObserver(() => draw(drawing)).observe(wave);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(drawing));
  loadWaveform(player.dataset.waveform, drawing);
}

async function loadWaveform(url, drawing) {
  const answer = await fetch(url);
  if (!answer.ok) return;
  drawing.channels = (await answer.json()).channels;
  draw(drawing);
}

function seek(audio, seconds) {
  if (Number.isFinite(seconds)) audio.currentTime = Math.min(Math.max(seconds, 0), audio.duration || seconds);
}

function markTurn(positionMs) {
  for (const turn of document.querySelectorAll(".turn")) {
    const isHeard = Number(turn.dataset.seek) <= positionMs && positionMs < Number(turn.dataset.end);
    turn.classList.toggle("is-playing", isHeard);
  }
}

/* In stereo the agent (second channel) goes up from the middle and the customer goes down; mono goes both ways. */
function draw({ canvas, channels, audio }) {
  const scale = devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  if (!channels.length || !width) return;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const sides = channels.length > 1 ? [[channels[1], -1, "--agent"], [channels[0], 1, "--customer"]] : [[channels[0], -1, "--agent"], [channels[0], 1, "--agent"]];
  context.scale(scale, scale);
  const played = audio.duration ? audio.currentTime / audio.duration : 0;
  const bars = Math.floor(width / 3);
  for (const [peaks, direction, name] of sides) {
    context.fillStyle = colour(name);
    const loudest = Math.max(...peaks, 1);
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor((bar * peaks.length) / bars);
      const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / bars));
      const length = Math.max(1, (Math.max(...peaks.slice(from, to)) / loudest) * (height / 2 - 3));
      context.globalAlpha = bar / bars < played ? 1 : 0.45;
      context.fillRect(bar * 3, direction < 0 ? height / 2 - 1 - length : height / 2 + 1, 2, length);
    }
  }
  context.globalAlpha = 1;
  context.fillStyle = colour("--ink");
  context.fillRect(played * width, 0, 1.5, height);
}
