// Records a voice message in the page and makes a WAV of it: one channel, 16 bits.
(function () {
  "use strict";

  const RATE_HZ = 16000;
  const HEAD_BYTES = 44;

  function wav(samples) {
    const view = new DataView(new ArrayBuffer(HEAD_BYTES + 2 * samples.length));
    const write = (at, text) => [...text].forEach((letter, step) => view.setUint8(at + step, letter.charCodeAt(0)));
    write(0, "RIFF");
    view.setUint32(4, view.byteLength - 8, true);
    write(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, RATE_HZ, true);
    view.setUint32(28, 2 * RATE_HZ, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    write(36, "data");
    view.setUint32(40, 2 * samples.length, true);
    samples.forEach((sample, at) => {
      view.setInt16(HEAD_BYTES + 2 * at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
    });
    return new Blob([view], { type: "audio/wav" });
  }

  async function samplesOf(recorded) {
    const listening = new AudioContext();
    const sound = await listening.decodeAudioData(await recorded.arrayBuffer());
    await listening.close();
    const once = new OfflineAudioContext(1, Math.max(1, Math.ceil(sound.duration * RATE_HZ)), RATE_HZ);
    const node = once.createBufferSource();
    node.buffer = sound;
    node.connect(once.destination);
    node.start();
    return (await once.startRendering()).getChannelData(0);
  }

  // Starts to record; gives stop(), which ends it with a WAV, and drop(), which ends it with nothing.
  async function record() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream);
    const parts = [];
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
    recorder.start();
    const end = async () => {
      if (recorder.state !== "inactive") recorder.stop();
      await ended;
      stream.getTracks().forEach((track) => track.stop());
    };
    return {
      async stop() {
        await end();
        return wav(await samplesOf(new Blob(parts, { type: recorder.mimeType })));
      },
      drop: end,
    };
  }

  window.Phones.record = record;
})();
