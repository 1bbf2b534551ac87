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

  function offer(file) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.className = "file-name";
    name.dir = "auto";
    name.textContent = `${file.name} · ${size(file.size)}`;
    const send = document.createElement("button");
    send.type = "button";
    send.className = "primary";
    send.textContent = tray.dataset.send;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = tray.dataset.remove;
    const key = newKey();
    remove.addEventListener("click", () => {
      row.remove();
      button.focus();
    });
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
    row.append(name, send, remove);
    tray.append(row);
    send.focus();
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
    [...files].slice(0, 10).forEach(offer);
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
