// A gateway as a careful Node developer writes it: `ws` with bufferutil and without compression, JSON, Buffer, and a
// filter as long as ours over typed arrays that are made once. PSR's messages in, OpenAI Realtime's out, each message as
// it comes. It has no token, record, voice detection, pacing or transcript.
//
//   node gateway.mjs AGENT_PORT
//
// Prints `ready URL`; runs until it is ended.
import { WebSocket, WebSocketServer } from 'ws';

const UP = 3; // 8 to 24 kHz
const PHASE_TAPS = 32;
const TAPS = UP * PHASE_TAPS;
const MAX_SAMPLES = 24_000;
const SESSION = JSON.stringify({
  type: 'session.update',
  session: {
    type: 'realtime',
    instructions: 'Talk.',
    audio: {
      input: { format: { type: 'audio/pcm', rate: 24_000 } },
      output: { format: { type: 'audio/pcm', rate: 24_000 } },
    },
  },
});

const agentUrl = `ws://127.0.0.1:${process.argv[2]}/v1/realtime`;
const downTaps = lowPass();
const upTaps = Array.from({ length: UP }, (_, phase) =>
  Float32Array.from({ length: PHASE_TAPS }, (_, i) => UP * downTaps[phase + UP * (PHASE_TAPS - 1 - i)]),
);
// Used by one message at a time.
const input = new Float32Array(TAPS + MAX_SAMPLES);
const output = new Int16Array(UP * MAX_SAMPLES);

function lowPass() {
  const taps = Float32Array.from({ length: TAPS }, (_, i) => {
    const x = i - (TAPS - 1) / 2;
    const turn = (2 * Math.PI * (i + 0.5)) / TAPS;
    return (Math.sin((Math.PI * x) / UP) / (Math.PI * x)) * (0.42 - 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn));
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

function clipped(sum) {
  return sum > 32767 ? 32767 : sum < -32768 ? -32768 : Math.round(sum);
}

class Resampler {
  constructor(kept) {
    this.history = new Float32Array(kept);
  }

  // Puts the history and the samples into `input`; how many are new.
  load(base64) {
    const bytes = Buffer.from(base64, 'base64');
    const count = Math.min(bytes.length >> 1, MAX_SAMPLES);
    const kept = this.history.length;
    input.set(this.history);
    // Small buffers stand anywhere in a shared one, also at odd addresses.
    if (bytes.byteOffset % 2 === 0) input.set(new Int16Array(bytes.buffer, bytes.byteOffset, count), kept);
    else for (let i = 0; i < count; i++) input[kept + i] = bytes.readInt16LE(2 * i);
    this.history.set(input.subarray(count, count + kept));
    return count;
  }
}

class Upsampler extends Resampler {
  constructor() {
    super(PHASE_TAPS - 1);
  }

  convert(base64) {
    const count = this.load(base64);
    let made = 0;
    for (let i = 0; i < count; i++) {
      for (let phase = 0; phase < UP; phase++) {
        const taps = upTaps[phase];
        let sum = 0;
        for (let k = 0; k < PHASE_TAPS; k++) sum += taps[k] * input[i + k];
        output[made++] = clipped(sum);
      }
    }
    return Buffer.from(output.buffer, 0, 2 * made).toString('base64');
  }
}

class Downsampler extends Resampler {
  constructor() {
    super(TAPS - 1);
  }

  convert(base64) {
    const count = this.load(base64);
    let made = 0;
    for (let i = 0; i + UP <= count; i += UP) {
      let sum = 0;
      for (let k = 0; k < TAPS; k++) sum += downTaps[k] * input[i + k];
      output[made++] = clipped(sum);
    }
    return Buffer.from(output.buffer, 0, 2 * made).toString('base64');
  }
}

function bridge(vendor) {
  const agent = new WebSocket(agentUrl, { perMessageDeflate: false });
  const up = new Upsampler();
  const down = new Downsampler();
  const end = () => {
    vendor.terminate();
    agent.terminate();
  };
  for (const socket of [vendor, agent]) socket.on('close', end).on('error', end);

  agent.on('open', () => agent.send(SESSION));
  vendor.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.event === 'closed') end();
    if (message.event !== 'media' || agent.readyState !== WebSocket.OPEN) return;
    agent.send(JSON.stringify({ type: 'input_audio_buffer.append', audio: up.convert(message.media.payload) }));
  });
  agent.on('message', (data) => {
    const event = JSON.parse(data);
    if (event.type !== 'response.output_audio.delta') return;
    const payload = down.convert(event.delta);
    vendor.send(JSON.stringify({ event: 'chunk', media: { payload, is_sync: true, format: 'pcm16' } }));
  });
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', bridge);
server.on('listening', () => console.log(`ready http://127.0.0.1:${server.address().port}`));
