// The page: what is done on a phone goes to the server, what changes there comes back as one stream.
(function () {
  "use strict";

  const { Screen, word, own, source } = window.Phones;
  const { place, language } = source.dataset;
  const offline = document.querySelector(".offline");
  const screens = new Map();

  function post(name, what, body) {
    return send(name, `${place}/${name}/${what}`, "application/json", JSON.stringify(body));
  }

  async function send(name, address, kind, body) {
    const trouble = document.querySelector(`#phone-${name} .trouble`);
    try {
      const answer = await fetch(address, { method: "POST", headers: { "Content-Type": kind }, body });
      const data = await answer.json();
      trouble.hidden = answer.ok;
      if (!answer.ok) trouble.textContent = word("refused", { reason: data.sentences?.[language] || data.error });
      return answer.ok;
    } catch {
      trouble.hidden = false;
      trouble.textContent = word("offline");
      return false;
    }
  }

  // ---- what a person can send besides words
  function extras(screen, parts) {
    const acts = screen.phone.acts;
    const simple = (act) => [own(`act.${act}`, screen.name), () => screen.act(act, "")];
    const entries = [simple("image"), [word("act.own"), () => parts.file.click()]];
    if (acts.includes("voice")) entries.push(simple("voice"), [word("act.record"), () => startVoice(screen, parts)]);
    for (const act of ["sticker", "location", "follow", "block"]) if (acts.includes(act)) entries.push(simple(act));
    return entries;
  }

  function takenBy(acts) {
    const kinds = { image: "image/*", voice: "audio/*", video: "video/*" };
    return acts.includes("file") ? "" : acts.map((act) => kinds[act]).filter(Boolean).join(",");
  }

  function sendFile(screen, file, name) {
    const query = new URLSearchParams({ name, language });
    return send(screen.name, `${place}/${screen.name}/files?${query}`, "application/octet-stream", file);
  }

  async function startVoice(screen, parts) {
    if (!parts.voice.hidden) return;
    const fail = () => {
      parts.trouble.hidden = false;
      parts.trouble.textContent = word("voice.none");
    };
    let voice = null;
    try {
      voice = await window.Phones.record();
    } catch {
      fail();
      return;
    }
    const began = Date.now();
    const tell = () => {
      parts.seconds.textContent = word("voice.on", { s: Math.round((Date.now() - began) / 1000) });
    };
    const ticking = setInterval(tell, 500);
    tell();
    parts.voice.hidden = false;
    parts.voice.querySelector(".voice-send").focus();
    const finish = (end) => async () => {
      clearInterval(ticking);
      parts.voice.hidden = true;
      parts.more.focus();
      await end().catch(fail);
    };
    parts.voice.querySelector(".voice-send").onclick = finish(async () => sendFile(screen, await voice.stop(), "voice.wav"));
    parts.voice.querySelector(".voice-drop").onclick = finish(() => voice.drop());
  }

  // ---- a message of one's own that is being changed
  function editing(stand, screen, box) {
    const bar = stand.querySelector(".editing");
    let about = 0;
    const end = () => {
      about = 0;
      bar.hidden = true;
      box.value = "";
      box.focus();
    };
    screen.edit = (bubble) => {
      about = bubble.number;
      bar.hidden = false;
      box.value = bubble.text;
      box.focus();
    };
    bar.querySelector("button").addEventListener("click", end);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && about) end();
    });
    return (text) => {
      const concerned = about;
      if (!concerned) return screen.act("text", text);
      end();
      return screen.act("edit", text, concerned);
    };
  }

  function set(stand) {
    const name = stand.dataset.phone;
    const find = (what) => stand.querySelector(what);
    const screen = new Screen(stand, (act, text, about) => post(name, "acts", { act, text, language, about: about ?? 0 }));
    screen.move = (move) => post(name, "moves", { move });
    screen.turn = (knob, on) => post(name, "knobs", { knob, on });
    const box = find(".words");
    const say = editing(stand, screen, box);
    find(".composer").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = box.value;
      if (!text.trim()) return;
      box.value = "";
      if (!(await say(text)) && !box.value) box.value = text;
    });
    box.addEventListener("keydown", (event) => {
      // Enter that ends a word of an input method is not the end of the message.
      if (event.key === "Enter" && event.isComposing) event.preventDefault();
    });
    const more = find(".more");
    const parts = { more, file: find(".own-file"), voice: find(".voice"), trouble: find(".trouble"), seconds: find(".seconds") };
    more.addEventListener("click", () => {
      if (screen.sheet.hidden) screen.open(more, extras(screen, parts));
      else screen.close();
    });
    parts.file.addEventListener("click", () => {
      parts.file.accept = takenBy(screen.phone.acts);
    });
    parts.file.addEventListener("change", async () => {
      const [file] = parts.file.files;
      if (file) await sendFile(screen, file, file.name);
      parts.file.value = "";
    });
    find(".new-person").addEventListener("click", () => post(name, "people", {}));
    screen.select.addEventListener("change", () => post(name, "people", { person: screen.select.value }));
    screens.set(name, screen);
  }

  document.querySelectorAll(".stand").forEach(set);

  // ---- things to try go to the phone that was used last
  let used = document.querySelector(".stand.chosen").dataset.phone;
  document.getElementById("phones").addEventListener("focusin", (event) => {
    used = event.target.closest(".stand")?.dataset.phone ?? used;
  });
  for (const hint of document.querySelectorAll(".hint")) {
    hint.addEventListener("click", () => {
      screens.get(used).act("text", hint.textContent);
      document.getElementById(`phone-${used}`).scrollIntoView({ block: "nearest" });
    });
  }

  // ---- one phone at a time where the page is narrow
  const tabs = [...document.querySelectorAll("[role=tab]")];

  function choose(tab, focus) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).classList.toggle("chosen", chosen);
    }
    tab.querySelector(".new").hidden = true;
    used = tab.dataset.phone;
    if (focus) tab.focus();
    tab.scrollIntoView({ block: "nearest", inline: "center" });
    const log = screens.get(tab.dataset.phone).log;
    log.scrollTop = log.scrollHeight;
  }

  tabs.forEach((tab, number) => {
    tab.addEventListener("click", () => choose(tab, false));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = { Home: 0, End: tabs.length - 1 }[event.key] ?? (step ? (number + step + tabs.length) % tabs.length : null);
      if (to === null) return;
      event.preventDefault();
      choose(tabs[to], true);
    });
  });

  // ---- time, which passes here when asked to
  const clock = document.querySelector(".clock");

  let told = null;
  let toldAt = 0;

  // Read aloud when time was let pass, and not each minute.
  function drawClock(aloud) {
    if (!told) return;
    const now = new Date(new Date(told.now).getTime() + Date.now() - toldAt);
    const at = now.toLocaleString(language, { dateStyle: "medium", timeStyle: "short", hour12: false });
    const text = word(told.ahead_h ? "clock.ahead" : "clock.now", { at, h: told.ahead_h });
    const line = clock.querySelector(".clock-now");
    if (line.textContent === text) return;
    line.setAttribute("aria-live", aloud ? "polite" : "off");
    line.textContent = text;
  }

  setInterval(drawClock, 5000, false);

  for (const button of clock?.querySelectorAll("button") ?? []) {
    button.addEventListener("click", () => send(used, `${place}/clock`, "application/json", JSON.stringify({ hours: Number(button.value) })));
  }

  // ---- what changes
  const stream = new EventSource(`${place}/stream`);
  stream.addEventListener("open", () => {
    offline.hidden = true;
  });
  stream.addEventListener("error", () => {
    offline.hidden = false;
  });
  stream.addEventListener("clock", (event) => {
    told = JSON.parse(event.data);
    toldAt = Date.now();
    drawClock(true);
  });
  stream.addEventListener("phone", (event) => {
    const phone = JSON.parse(event.data);
    const screen = screens.get(phone.name);
    const known = screen.phone !== undefined;
    const added = screen.draw(phone);
    const tab = document.getElementById(`tab-${phone.name}`);
    if (known && added && tab.getAttribute("aria-selected") !== "true") tab.querySelector(".new").hidden = false;
  });
})();
