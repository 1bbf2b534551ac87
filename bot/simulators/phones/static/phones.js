// The page: what is done on a phone goes to the server, what changes there comes back as one stream.
(function () {
  "use strict";

  const { Screen, word, own, source } = window.Phones;
  const { place, language } = source.dataset;
  const offline = document.querySelector(".offline");
  const screens = new Map();

  async function post(name, what, body) {
    const trouble = document.querySelector(`#phone-${name} .trouble`);
    try {
      const answer = await fetch(`${place}/${name}/${what}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      const data = await answer.json();
      trouble.hidden = answer.ok;
      if (!answer.ok) trouble.textContent = word("refused", { reason: data.error });
      return answer.ok;
    } catch {
      trouble.hidden = false;
      trouble.textContent = word("offline");
      return false;
    }
  }

  function extras(screen) {
    const acts = ["image", "sticker", "location", "follow", "block"].filter((act) => screen.phone.acts.includes(act));
    return acts.map((act) => [own(`act.${act}`, screen.name), () => screen.act(act, "")]);
  }

  function set(stand) {
    const name = stand.dataset.phone;
    const screen = new Screen(stand, (act, text) => post(name, "acts", { act, text, language }));
    screen.turn = (knob, on) => post(name, "knobs", { knob, on });
    const box = stand.querySelector(".words");
    stand.querySelector(".composer").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = box.value;
      if (!text.trim()) return;
      box.value = "";
      if (!(await screen.act("text", text)) && !box.value) box.value = text;
    });
    box.addEventListener("keydown", (event) => {
      // Enter that ends a word of an input method is not the end of the message.
      if (event.key === "Enter" && event.isComposing) event.preventDefault();
    });
    const more = stand.querySelector(".more");
    more.addEventListener("click", () => {
      if (screen.sheet.hidden) screen.open(more, extras(screen));
      else screen.close();
    });
    stand.querySelector(".new-person").addEventListener("click", () => post(name, "people", {}));
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

  // ---- what changes
  const stream = new EventSource(`${place}/stream`);
  stream.addEventListener("open", () => {
    offline.hidden = true;
  });
  stream.addEventListener("error", () => {
    offline.hidden = false;
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
