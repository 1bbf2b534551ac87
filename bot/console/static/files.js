// Files an agent sends: chosen, dropped or pasted, shown first, then sent one by one.
(function () {
  "use strict";

  const composer = document.getElementById("composer");
  const tray = document.getElementById("tray");
  const input = document.getElementById("attach");
  const button = document.getElementById("attach-button");
  if (!composer || !tray || !input || !button) return;
  const flash = document.getElementById("flash");
  const state = document.getElementById("state");
  const MOST_AT_ONCE = 10;

  function mayReply() {
    const now = document.getElementById("state") || state;
    return now && now.dataset.reply === "yes";
  }

  function size(bytes) {
    return `${Math.max(bytes / 1048576, 0.1).toFixed(1)} MB`;
  }

  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function filled(words, values) {
    return words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  function say(words) {
    const sentence = document.createElement("p");
    sentence.className = "flash";
    sentence.textContent = words;
    flash.replaceChildren(sentence);
  }

  function makeButton(words, kind) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = kind;
    made.textContent = words;
    return made;
  }

  // Pictures are made ready one after the other: a dozen of a phone's at once would fill the memory.
  let ready = Promise.resolve();
  let worker = null;

  // Gives { file, thumb } to send; thumb is null for what is no picture. Throws when a picture cannot be read here.
  async function prepare(file) {
    worker ||= new Worker(tray.dataset.worker);
    const made = await new Promise((resolve) => {
      worker.onmessage = (event) => resolve(event.data);
      worker.onerror = () => {
        worker = null;
        resolve(null);
      };
      worker.postMessage(file);
    });
    if (!made) throw new Error("this picture cannot be read here");
    return { file: made.file || file, thumb: made.thumb && shown(made.thumb) };
  }

  function shown(picture) {
    const canvas = document.createElement("canvas");
    canvas.className = "tray-thumb";
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", tray.dataset.preview);
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture);
    return canvas;
  }

  function offer(file) {
    const row = document.createElement("li");
    const words = document.createElement("p");
    words.className = "tray-words";
    const name = document.createElement("span");
    name.className = "file-name";
    name.dir = "auto";
    name.textContent = name.title = file.name;
    const facts = document.createElement("span");
    facts.className = "quiet";
    facts.textContent = tray.dataset.preparing;
    words.append(name, " ", facts);
    const send = makeButton(tray.dataset.send, "primary");
    const remove = makeButton(tray.dataset.remove, "");
    send.disabled = true;
    remove.addEventListener("click", () => {
      row.remove();
      button.focus();
    });
    const does = document.createElement("span");
    does.className = "tray-does";
    does.append(send, remove);
    row.append(words, does);
    tray.append(row);
    ready = ready.then(() => row.isConnected && make(file, { row, name, facts, send, remove }));
  }

  async function make(file, parts) {
    let made = { file, thumb: null };
    try {
      made = await prepare(file);
      parts.name.textContent = parts.name.title = made.file.name;
      parts.facts.textContent = described(file, made.file);
    } catch {
      const words = tray.dataset.takes === "files" ? tray.dataset.asItIs : tray.dataset.unreadable;
      parts.facts.textContent = `${size(file.size)} · ${words}`;
      if (tray.dataset.takes !== "files") {
        parts.send.remove();
        return;
      }
    }
    if (made.thumb) parts.row.prepend(made.thumb);
    const most = largest(made.file);
    if (made.file.size > most) {
      parts.facts.textContent = `${size(made.file.size)} · ${filled(tray.dataset.tooLarge, { mb: +(most / 1048576).toPrecision(3) })}`;
      parts.send.remove();
      return;
    }
    arm(made.file, parts);
  }

  // The server refuses it as well, but in the middle of a long upload, which browsers tell as a broken connection.
  function largest(file) {
    const kinds = { image: "image", audio: "voice", video: "video" };
    const limits = JSON.parse(tray.dataset.largest);
    return limits[kinds[file.type.split("/")[0]] || "file"] ?? Infinity;
  }

  function described(file, made) {
    if (made === file) return size(file.size);
    return filled(tray.dataset.made, { size: size(made.size), was: size(file.size) });
  }

  function arm(file, { row, send, remove }) {
    const key = newKey();
    send.disabled = false;
    send.addEventListener("click", async () => {
      send.disabled = true;
      remove.disabled = true;
      send.textContent = tray.dataset.sending;
      const said = await deliver(file, key);
      if (said === "") {
        row.remove();
        window.htmx.trigger(document.body, "changed");
        button.focus();
        return;
      }
      flash.innerHTML = said;
      send.disabled = false;
      remove.disabled = false;
      send.textContent = tray.dataset.send;
    });
    if (row === tray.firstElementChild) send.focus();
  }

  async function deliver(file, key) {
    const headers = {
      "content-type": "application/octet-stream",
      "hx-request": "true",
      "x-csrf-token": composer.elements.csrf.value,
      "x-file-name": encodeURIComponent(file.name.slice(0, 100)),
      "x-send-key": key,
    };
    flash.textContent = "";
    try {
      const answer = await fetch(tray.dataset.address, { method: "POST", headers, body: file });
      return answer.status === 204 ? "" : await answer.text();
    } catch {
      const sentence = document.createElement("p");
      sentence.className = "flash";
      sentence.textContent = tray.dataset.failed;
      return sentence.outerHTML;
    }
  }

  function take(files) {
    if (!mayReply()) return false;
    [...files].slice(0, MOST_AT_ONCE).forEach(offer);
    if (files.length > MOST_AT_ONCE) say(filled(tray.dataset.most, { most: MOST_AT_ONCE }));
    return files.length > 0;
  }

  button.addEventListener("click", () => mayReply() && input.click());
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  composer.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length && take(event.clipboardData.files)) event.preventDefault();
  });
  composer.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  composer.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
})();
