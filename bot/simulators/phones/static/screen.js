// Draws one phone from what the server tells of it. Only text nodes are made of what people and the shop say.
(function () {
  "use strict";

  const source = document.getElementById("words");
  const words = JSON.parse(source.textContent);

  function word(key, values) {
    let text = words[key] ?? key;
    for (const [name, value] of Object.entries(values ?? {})) text = text.replace(`{${name}}`, value);
    return text;
  }

  // A word of this platform where it has one of its own, else the one for all.
  function own(key, platform) {
    return words[`${key}.${platform}`] ?? word(key);
  }

  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (name === "text") node.textContent = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  // JSON and forms as a person reads them; anything else as it is.
  function legible(body) {
    try {
      return JSON.stringify(JSON.parse(body), null, 1);
    } catch {
      if (!/^[\w.]+=/.test(body)) return body || "—";
      return [...new URLSearchParams(body)].map(([name, value]) => `${name}: ${value}`).join("\n");
    }
  }

  function picture() {
    return make("img", { class: "picture", src: `${source.dataset.place}/cup.png`, alt: word("kind.image") });
  }

  const MARKS = { sending: "◔", delivered: "✓✓", failed: "!" };
  const ONE_TICK = new Set(["messenger"]);

  class Screen {
    constructor(stand, act) {
      this.stand = stand;
      this.name = stand.dataset.phone;
      this.act = act;
      this.log = stand.querySelector(".screen");
      this.quick = stand.querySelector(".quick");
      this.sheet = stand.querySelector(".sheet");
      this.select = stand.querySelector(".person");
      this.drawn = new Map();
      this.person = null;
      this.opener = null;
      this.sheet.addEventListener("keydown", (event) => {
        if (event.key === "Escape") this.close();
      });
    }

    draw(phone) {
      this.phone = phone;
      if (phone.person !== this.person) {
        this.person = phone.person;
        this.drawn.clear();
        this.log.replaceChildren();
        this.close();
      }
      const near = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
      const added = this.bubbles(phone);
      this.drawTyping(phone);
      this.drawStart(phone);
      this.drawQuick(phone);
      this.drawPeople(phone);
      this.drawMenu(phone);
      this.drawKnobs(phone);
      this.drawCalls(phone);
      if (near || added) this.log.scrollTop = this.log.scrollHeight;
      return added;
    }

    bubbles(phone) {
      let added = false;
      const kept = new Set(phone.bubbles.map((bubble) => bubble.number));
      for (const [number, node] of this.drawn) {
        if (!kept.has(number)) {
          node.remove();
          this.drawn.delete(number);
        }
      }
      for (const bubble of phone.bubbles) {
        const before = this.drawn.get(bubble.number);
        if (before) this.mark(before, bubble);
        else {
          const node = this.bubble(bubble);
          this.drawn.set(bubble.number, node);
          this.log.append(node);
          added = true;
        }
      }
      return added;
    }

    bubble(bubble) {
      if (bubble.kind === "note") return make("p", { class: "note", text: own(`note.${bubble.text}`, this.name) });
      const mine = bubble.by === "me";
      const body = make("div", { class: `bubble bubble-${bubble.kind}` });
      body.append(make("span", { class: "unseen", text: `${word(mine ? "by.me" : "by.shop")}: ` }), this.content(bubble));
      const at = new Date(bubble.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
      const foot = make("span", { class: "foot" }, make("time", { datetime: bubble.at, text: at }));
      if (mine) foot.append(make("span", { class: "mark" }));
      body.append(foot);
      const face = make("span", { class: "face", "aria-hidden": "true", text: mine ? "☺" : source.dataset.shop[0] });
      const line = make("div", { class: `line ${mine ? "mine" : "theirs"}` }, face, make("div", { class: "stack" }, body));
      if (bubble.choices.length) this.choices(line, body, bubble);
      if (mine) this.mark(line, bubble);
      return line;
    }

    content(bubble) {
      if (bubble.kind === "image") return picture();
      if (bubble.kind === "sticker") return make("span", { class: "sticker", text: bubble.text });
      if (bubble.kind === "location") {
        return make("span", { class: "place" }, make("i", { "aria-hidden": "true" }), word("kind.location"));
      }
      if (bubble.kind === "menu") return make("span", { class: "said", text: word(`menu.${bubble.text}`) });
      return make("span", { class: "said", dir: "auto", text: bubble.text });
    }

    choices(line, body, bubble) {
      const press = (label) => () => this.act("press", label);
      if (bubble.style === "menu") {
        const rows = bubble.choices.map((label) => make("button", { type: "button", text: label, onclick: press(label) }));
        body.insertBefore(make("span", { class: "links" }, ...rows), body.lastChild);
      } else if (bubble.style === "list") {
        const open = make("button", { type: "button", class: "key", text: `☰ ${word("open_list")}` });
        open.addEventListener("click", () => this.open(open, bubble.choices.map((label) => [label, press(label)])));
        line.lastChild.append(make("div", { class: "keys" }, open));
      } else if (bubble.style === "keys") {
        const short = bubble.choices.every((label) => label.length <= 12);
        const keys = bubble.choices.map((label) =>
          make("button", { type: "button", class: "key", text: label, onclick: press(label) }),
        );
        line.lastChild.append(make("div", { class: short ? "keys keys-two" : "keys" }, ...keys));
      }
    }

    mark(line, bubble) {
      const mark = line.querySelector(".mark");
      if (!mark || mark.dataset.mark === bubble.mark) return;
      mark.dataset.mark = bubble.mark;
      const read = this.name === "line" && bubble.mark === "delivered";
      const sign = ONE_TICK.has(this.name) && bubble.mark === "delivered" ? "✓" : (MARKS[bubble.mark] ?? "");
      mark.textContent = read ? word("mark.read") : sign;
      mark.setAttribute("title", word(read ? "mark.read" : `mark.${bubble.mark}`));
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", word(read ? "mark.read" : `mark.${bubble.mark}`));
      line.classList.toggle("failed", bubble.mark === "failed");
    }

    drawTyping(phone) {
      const there = this.log.querySelector(".typing");
      if (phone.typing && !there) this.log.append(make("p", { class: "typing", text: word("typing") }));
      else if (!phone.typing && there) there.remove();
    }

    drawStart(phone) {
      const there = this.log.querySelector(".start");
      const wanted = phone.bubbles.length === 0 || phone.blocking;
      const key = `start.${this.name}`;
      if (!wanted) there?.remove();
      else if (!there) {
        const panel = make("div", { class: "start" });
        const start = () => this.act("follow", "");
        if (phone.acts.includes("follow")) panel.append(make("button", { type: "button", text: word(key), onclick: start }));
        else if (!phone.blocking) panel.append(make("p", { text: word("start.none") }));
        this.log.append(panel);
      }
    }

    drawQuick(phone) {
      const last = phone.bubbles.at(-1);
      const choices = last && last.by === "shop" && last.style === "quick" ? last.choices : [];
      const key = JSON.stringify([last?.number, choices]);
      if (this.quick.dataset.key === key) return;
      this.quick.dataset.key = key;
      const press = (label) => () => this.act("press", label);
      this.quick.replaceChildren(
        ...choices.map((label) => make("button", { type: "button", text: label, onclick: press(label) })),
      );
    }

    drawPeople(phone) {
      const key = JSON.stringify(phone.people);
      if (this.select.dataset.key !== key) {
        this.select.dataset.key = key;
        this.select.replaceChildren(...phone.people.map((each) => make("option", { value: each.id, text: each.name })));
      }
      this.select.value = phone.person;
      this.select.parentElement.hidden = phone.people.length < 2;
    }

    drawMenu(phone) {
      const bar = this.stand.querySelector(".menu-bar");
      if (!phone.menu.length || bar.childElementCount) return;
      bar.hidden = false;
      const pressed = (entry) => () => this.act("menu", entry);
      bar.append(
        ...phone.menu.map((entry) =>
          make("button", { type: "button", text: word(`menu.${entry}`), onclick: pressed(entry) }),
        ),
      );
    }

    drawKnobs(phone) {
      const box = this.stand.querySelector(".knobs");
      for (const knob of phone.knobs) {
        let input = box.querySelector(`[name="${knob.name}"]`);
        if (!input) {
          input = make("input", { type: "checkbox", role: "switch", name: knob.name });
          input.addEventListener("change", () => this.turn(knob.name, input.checked));
          box.append(make("label", {}, input, make("span", { text: word(`knob.${knob.name}`) })));
        }
        input.checked = knob.on;
      }
      const on = phone.knobs.some((knob) => knob.on);
      this.stand.classList.toggle("faulty", on);
    }

    drawCalls(phone) {
      this.stand.querySelector(".count").textContent = String(phone.calls.length ? phone.calls[0].number : 0);
      this.stand.querySelector(".no-calls").hidden = phone.calls.length > 0;
      const list = this.stand.querySelector(".calls");
      const newest = Number(list.firstElementChild?.dataset.number ?? 0);
      const fresh = phone.calls.filter((call) => call.number > newest);
      list.prepend(...fresh.map((call) => this.call(call)));
      while (list.childElementCount > phone.calls.length) list.lastElementChild.remove();
    }

    call(call) {
      const good = /^2/.test(call.outcome);
      const line = make(
        "summary",
        {},
        make("span", { class: `way way-${call.to}`, text: word(`to.${call.to}`) }),
        make("code", { text: `${call.method} ${call.path}` }),
        make("b", { class: good ? "good" : "bad", text: call.outcome }),
        make("small", { text: word("took", { ms: call.took_ms }) }),
      );
      return make("li", { "data-number": call.number }, make("details", {}, line, make("pre", { text: legible(call.body) })));
    }

    open(opener, entries) {
      this.opener = opener;
      opener.setAttribute("aria-expanded", "true");
      const choose = (run) => () => {
        this.close();
        run();
      };
      this.sheet.replaceChildren(
        ...entries.map(([label, run]) => make("button", { type: "button", text: label, onclick: choose(run) })),
      );
      this.sheet.hidden = false;
      this.sheet.firstElementChild?.focus();
    }

    close() {
      if (this.sheet.hidden) return;
      this.sheet.hidden = true;
      this.opener?.setAttribute("aria-expanded", "false");
      this.opener?.focus();
    }
  }

  window.Phones = { Screen, word, own, source };
})();
