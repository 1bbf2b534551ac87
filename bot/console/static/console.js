// The console's few habits of its own: keys, drafts, scroll and focus kept while the page renews itself.
(function () {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const agent = document.body.dataset.agent || "";

  // ---------------------------------------------------------------- moving in lists: j, k

  function isTyping(target) {
    return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
  }

  function move(step) {
    const links = [...document.querySelectorAll("[data-list] a")].filter((link) => link.offsetParent !== null);
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    const open = links.findIndex((link) => link.getAttribute("aria-current"));
    const from = at >= 0 ? at : open;
    const next = from < 0 ? 0 : Math.min(Math.max(from + step, 0), links.length - 1);
    links[next].focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      move(event.key === "j" ? 1 : -1);
    }
  });

  // ---------------------------------------------------------------- what renews itself keeps focus and place

  let focused = "";
  let wasAtEnd = true;
  let keptTop = 0;
  let lastSeq = 0;

  function lines() {
    return byId("lines");
  }

  function rememberPlace(box) {
    wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
    keptTop = box.scrollTop;
  }

  function toEnd(box) {
    box.scrollTop = box.scrollHeight;
  }

  function newestSeq(box) {
    const list = box.querySelector("[data-last]");
    return list ? Number(list.dataset.last) : 0;
  }

  // A part that renews itself while a mouse button is down would take from under it what is being pressed, and the
  // click would be lost: it renews when the button is up. Of a press on a scroll bar nobody tells when it ends.
  const LONGEST_PRESS_MS = 1000;
  const late = new Set();
  let pressed = 0;

  function release() {
    clearTimeout(pressed);
    pressed = 0;
    late.forEach((id) => byId(id) && window.htmx.trigger(byId(id), "renew"));
    late.clear();
  }

  function press() {
    clearTimeout(pressed);
    pressed = setTimeout(release, LONGEST_PRESS_MS);
  }

  // The click itself comes after the button is up.
  function lift() {
    const lifted = pressed;
    setTimeout(() => lifted === pressed && release());
  }

  document.addEventListener("pointerdown", press, true);
  document.addEventListener("pointerup", lift, true);
  document.addEventListener("pointercancel", lift, true);

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (pressed && event.detail.shouldSwap && event.detail.requestConfig.verb === "get") {
      event.detail.shouldSwap = false;
      late.add(event.detail.target.id);
      return;
    }
    const inside = event.detail.target.contains(document.activeElement);
    focused = inside ? document.activeElement.id : "";
    if (event.detail.target === lines()) rememberPlace(lines());
  });

  const title = document.title;

  function countInTitle() {
    const tabs = document.querySelector("[data-waiting]");
    const waiting = tabs ? Number(tabs.dataset.waiting) : 0;
    document.title = waiting ? `(${waiting}) ${title}` : title;
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    countInTitle();
    const element = focused && byId(focused);
    if (element) element.focus({ preventScroll: true });
    if (event.detail.target !== lines()) return;
    const box = lines();
    if (wasAtEnd) toEnd(box);
    else box.scrollTop = keptTop;
    const seq = newestSeq(box);
    if (seq > lastSeq) announce(box);
    lastSeq = seq;
  });

  function announce(box) {
    const place = byId("new-words");
    const said = box.querySelectorAll(".said");
    const last = said[said.length - 1];
    if (place && last && last.classList.contains("said-customer")) {
      place.textContent = "";
      place.textContent = place.dataset.words;
    }
  }

  document.addEventListener("htmx:oobAfterSwap", suitComposer);

  // A part that was asked for renews; errors of background renewals stay quiet until the next try.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.requestConfig.verb !== "get") byId("flash").textContent = "";
  });

  // ---------------------------------------------------------------- composer

  const composer = byId("composer");

  function suitComposer() {
    const state = byId("state");
    if (!composer || !state) return;
    const may = state.dataset.reply === "yes";
    const reply = byId("mode-reply");
    const became = may && reply.disabled;
    reply.disabled = !may;
    byId("why-not").hidden = may;
    byId("why-not").textContent = state.dataset.why;
    if (!may) byId("mode-note").checked = true;
    else if (became && !byId("text").value) reply.checked = true;
    suitWindow();
  }

  // While the platform's window is closed, what is sent waits until the shopper writes; the button says so.
  function suitWindow() {
    const later = byId("room").dataset.later;
    const button = composer.querySelector(".send-reply");
    if (composer.elements.later.value === later) return;
    composer.elements.later.value = later;
    button.textContent = later === "yes" ? button.dataset.later : button.dataset.now;
  }

  function draftKey() {
    return `xiaoer:draft:${agent}:${composer.dataset.conversation}`;
  }

  function store(key, value) {
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {
      // A browser that keeps nothing still lets the agent write.
    }
  }

  function stored(key) {
    try {
      return localStorage.getItem(key) || "";
    } catch {
      return "";
    }
  }

  function fit(area) {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, window.innerHeight * 0.4)}px`;
  }

  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const TYPING_EVERY_MS = 4000;
  let toldAt = -TYPING_EVERY_MS;

  // The shopper sees that an answer is written, not that a note is; it may be lost without harm.
  function tellTyping(area) {
    const now = performance.now();
    if (!byId("mode-reply").checked || !area.value.trim() || now - toldAt < TYPING_EVERY_MS) return;
    toldAt = now;
    const body = new URLSearchParams({ csrf: composer.elements.csrf.value });
    fetch(composer.dataset.typing, { method: "POST", body }).catch(() => {});
  }

  // Words that could not go out here are taken along to another channel of the same customer, into its composer.
  const CARRIED = `xiaoer:carried:${agent}`;

  document.addEventListener("submit", (event) => {
    const from = event.target.dataset.carry;
    if (!from || !composer) return;
    const line = from === "text" ? null : document.querySelector(`#${from} .words`);
    const words = line ? line.textContent : byId("text").value;
    store(CARRIED, words);
    if (!line) store(draftKey(), "");
  });

  function unpack(area) {
    const address = new URL(location.href);
    if (!address.searchParams.has("carried")) return;
    address.searchParams.delete("carried");
    history.replaceState(null, "", address);
    const words = stored(CARRIED);
    store(CARRIED, "");
    if (!words || area.value.includes(words)) return;
    area.value = [area.value, words].filter(Boolean).join("\n");
    store(draftKey(), area.value);
    if (!byId("mode-reply").disabled) byId("mode-reply").checked = true;
    area.focus();
  }

  if (composer) {
    const area = byId("text");
    if (!area.value) area.value = stored(draftKey());
    unpack(area);
    fit(area);
    area.addEventListener("input", () => {
      store(draftKey(), area.value);
      fit(area);
      tellTyping(area);
    });
    composer.addEventListener("htmx:afterRequest", (event) => {
      if (!event.detail.successful) return;
      area.value = "";
      store(draftKey(), "");
      composer.elements.key.value = newKey();
      fit(area);
      area.focus();
    });
    composer.addEventListener("htmx:beforeRequest", () => {
      wasAtEnd = true;
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    const form = event.target.closest("#composer, [data-submit-on-enter]");
    if (!form) return;
    event.preventDefault();
    const button = [...form.querySelectorAll("button:not([type=button])")].find((each) => each.offsetParent !== null);
    if (button && !button.disabled) button.click();
  });

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-leave]")) return;
    try {
      Object.keys(localStorage)
        .filter((key) => key.startsWith("xiaoer:draft:") || key.startsWith("xiaoer:carried:"))
        .forEach((key) => localStorage.removeItem(key));
    } catch {
      // Nothing was kept.
    }
  });

  // ---------------------------------------------------------------- live: rest while hidden, renew when seen again

  const HIDDEN_FOR_MS = 20000;
  let source = null;
  let resting = 0;

  function renew() {
    ["inbox-list", "lines", "card"].forEach((id) => byId(id) && window.htmx.trigger(byId(id), "renew"));
  }

  if (window.htmx) {
    window.htmx.createEventSource = (address) => {
      source = new EventSource(address);
      return source;
    };
  }

  let opened = false;
  document.addEventListener("htmx:sseOpen", () => {
    if (opened) renew();
    opened = true;
  });

  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    if (!source) return;
    if (document.hidden) {
      // A browser has few connections to one server; pages nobody looks at give theirs back.
      resting = setTimeout(() => source.close(), HIDDEN_FOR_MS);
    } else if (source.readyState === EventSource.CLOSED) {
      source.dispatchEvent(new Event("error"));
    }
  });

  // ---------------------------------------------------------------- start

  const box = lines();
  if (box) {
    toEnd(box);
    lastSeq = newestSeq(box);
  }
  suitComposer();
  countInTitle();
})();
