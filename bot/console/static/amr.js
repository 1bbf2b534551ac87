// A worker that makes a WAV out of AMR (narrow and wide band), the voice notes of WeChat. The decoder is WebAssembly,
// so this worker, and no page, has a policy that allows it; it reaches no network and sees nothing but the bytes.
// Source: RFC 4867, sections 5.1 and 5.3; 3GPP TS 26.101 and 26.201 for the sizes of frames.
import createDecoder from "./vendor/amr.wasm.js";

const MOST_SECONDS = 600;
const FRAMES_A_SECOND = 50;
const NO_DATA = 15;
const NARROW = {
  magic: "#!AMR\n",
  rate: 8000,
  sizes: [13, 14, 16, 18, 20, 21, 27, 32, 6],
  calls: ["_amr_nb_create", "_amr_nb_decode", "_amr_nb_output", "_amr_nb_close"],
};
const WIDE = {
  magic: "#!AMR-WB\n",
  rate: 16000,
  sizes: [18, 24, 33, 37, 41, 47, 51, 59, 61, 6],
  calls: ["_amr_wb_create", "_amr_wb_decode", "_amr_wb_output", "_amr_wb_close"],
};

function bandOf(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, WIDE.magic.length));
  return [NARROW, WIDE].find((band) => start.startsWith(band.magic));
}

function sizeOf(band, header) {
  const mode = (header >> 3) & 15;
  return mode === NO_DATA ? 1 : band.sizes[mode] || 0;
}

// The frames as [from, to); what is cut off or is no frame ends them.
function framesOf(band, bytes) {
  const frames = [];
  let at = band.magic.length;
  while (at < bytes.length && frames.length < MOST_SECONDS * FRAMES_A_SECOND) {
    const size = sizeOf(band, bytes[at]);
    if (!size || at + size > bytes.length) break;
    frames.push([at, at + size]);
    at += size;
  }
  return { frames, more: frames.length === MOST_SECONDS * FRAMES_A_SECOND && at < bytes.length };
}

function header(view, rate) {
  const put = (at, text) => [...text].forEach((letter, number) => view.setUint8(at + number, letter.charCodeAt(0)));
  put(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  put(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  put(36, "data");
  view.setUint32(40, view.byteLength - 44, true);
}

async function decode(bytes) {
  const band = bandOf(bytes);
  const { frames, more } = band ? framesOf(band, bytes) : { frames: [], more: false };
  if (!frames.length) return null;
  const decoder = await createDecoder();
  const [create, step, output, close] = band.calls.map((name) => decoder[name]);
  const samples = band.rate / FRAMES_A_SECOND;
  const view = new DataView(new ArrayBuffer(44 + frames.length * samples * 2));
  header(view, band.rate);
  const handle = create();
  const place = decoder._malloc(64);
  frames.forEach(([from, to], number) => {
    decoder.HEAPU8.set(bytes.subarray(from, to), place);
    const made = Math.min(step(handle, place, to - from), samples);
    const sound = new Float32Array(decoder.HEAPF32.buffer, output(), made);
    sound.forEach((value, at) => {
      const loud = Math.max(-1, Math.min(1, value));
      view.setInt16(44 + (number * samples + at) * 2, loud * 32767, true);
    });
  });
  close(handle);
  return { wav: view.buffer, more };
}

self.addEventListener("message", async (event) => {
  try {
    const made = await decode(new Uint8Array(event.data));
    self.postMessage(made, made ? [made.wav] : []);
  } catch {
    self.postMessage(null);
  }
});
