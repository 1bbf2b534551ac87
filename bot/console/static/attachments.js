// Attachments in the page: voice notes that no browser plays by itself (AMR) are made into sound when somebody asks to
// hear one; a picture whose bytes are gone says so.
(function () {
  "use strict";

  const PATIENCE_MS = 120000;

  function makeSound(bytes, address) {
    return new Promise((resolve) => {
      const worker = new Worker(address, { type: "module" });
      const end = (made) => {
        clearTimeout(patience);
        worker.terminate();
        resolve(made);
      };
      const patience = setTimeout(() => end(null), PATIENCE_MS);
      worker.addEventListener("message", (event) => end(event.data));
      worker.addEventListener("error", () => end(null));
      worker.postMessage(bytes, [bytes]);
    });
  }

  async function load(button) {
    try {
      const answer = await fetch(button.dataset.voice);
      if (!answer.ok) return null;
      return await makeSound(await answer.arrayBuffer(), button.dataset.decoder);
    } catch {
      return null;
    }
  }

  function say(box, words) {
    const sentence = box.querySelector(".voice-state");
    sentence.textContent = words;
  }

  function play(box, button, made) {
    const sound = document.createElement("audio");
    sound.controls = true;
    sound.src = URL.createObjectURL(new Blob([made.wav], { type: "audio/wav" }));
    sound.setAttribute("aria-label", button.dataset.name);
    button.replaceWith(sound);
    say(box, made.more ? button.dataset.cut : "");
    sound.focus();
    // A browser may want another press before anything sounds.
    sound.play().catch(() => {});
  }

  // Errors of pictures do not rise to the document, but pass it on their way down.
  document.addEventListener("error", (event) => {
    const picture = event.target;
    if (!(picture instanceof HTMLImageElement) || !picture.dataset.lost) return;
    const words = document.createElement("span");
    words.textContent = `${picture.alt} · ${picture.dataset.lost}`;
    picture.closest("a").replaceWith(words);
  }, true);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-voice]");
    if (!button || button.disabled) return;
    const box = button.parentElement;
    button.disabled = true;
    say(box, button.dataset.wait);
    const made = await load(button);
    if (made) return play(box, button, made);
    button.disabled = false;
    say(box, button.dataset.broken);
  });
})();
