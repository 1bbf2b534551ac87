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

  // What came with a message: shown, played, or handed over.
  function enclosed(phone, bubble) {
    const address = `${source.dataset.place}/${phone}/files/${bubble.file}`;
    const family = bubble.mime.split("/")[0];
    if (bubble.kind === "sticker") return make("img", { class: "sticker", src: address, alt: word("kind.sticker") });
    if (family === "image") return make("img", { class: "picture", src: address, alt: word("kind.image") });
    const label = word(family === "audio" ? "kind.voice" : "kind.video");
    const playing = { class: "player", src: address, controls: true, preload: "metadata", "aria-label": label };
    if (family === "audio" || family === "video") return make(family, playing);
    return make("a", { class: "paper", href: address, download: bubble.called, text: bubble.called || word("kind.file") });
  }

  // What of a message changes its looks; its mark is drawn apart.
  function looks(bubble) {
    return JSON.stringify([bubble.kind, bubble.text, bubble.edited, bubble.file, bubble.changeable]);
  }

  const MARKS = { sending: "◔", delivered: "✓✓", read: "✓✓", failed: "!" };
  const ONE_TICK = new Set(["messenger", "instagram", "web"]);
  const NAMED = new Set(["line"]);

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
      // A picture has its height only once it is there.
      this.log.addEventListener("load", () => this.following && this.toEnd(), true);
      this.log.addEventListener("wheel", () => (this.following = false), { passive: true });
      this.log.addEventListener("touchmove", () => (this.following = false), { passive: true });
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
      this.drawRoom(phone);
      window.Phones.drawBench(this, phone);
      if (near || added) this.toEnd();
      return added;
    }

    toEnd() {
      this.following = true;
      this.log.scrollTop = this.log.scrollHeight;
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
        if (before?.dataset.looks === looks(bubble)) {
          this.mark(before, bubble);
          continue;
        }
        const node = this.bubble(bubble);
        node.dataset.looks = looks(bubble);
        this.drawn.set(bubble.number, node);
        if (before) before.replaceWith(node);
        else {
          this.log.append(node);
          added = true;
        }
      }
      return added;
    }

    bubble(bubble) {
      if (bubble.kind === "note") return make("p", { class: "note", text: own(`note.${bubble.text}`, this.name) });
      const mine = bubble.by === "me";
      if (bubble.kind === "recalled") return make("p", { class: "note", text: word("recalled") });
      const body = make("div", { class: `bubble bubble-${bubble.kind}` });
      body.append(make("span", { class: "unseen", text: `${word(mine ? "by.me" : "by.shop")}: ` }), this.content(bubble));
      const at = new Date(bubble.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
      const foot = make("span", { class: "foot" }, make("time", { datetime: bubble.at, text: at }));
      if (bubble.edited) foot.prepend(make("i", { class: "edited", text: word("edited") }), " ");
      if (mine) foot.append(make("span", { class: "mark" }));
      body.append(foot);
      const face = make("span", { class: "face", "aria-hidden": "true", text: mine ? "☺" : source.dataset.shop[0] });
      const line = make("div", { class: `line ${mine ? "mine" : "theirs"}` }, face, make("div", { class: "stack" }, body));
      if (bubble.choices.length) this.choices(line, body, bubble);
      if (!mine) line.lastChild.append(make("small", { class: "receipt" }));
      this.changes(line, bubble);
      this.mark(line, bubble);
      return line;
    }

    content(bubble) {
      const said = make("span", { class: "said", dir: "auto", text: bubble.text });
      if (bubble.file && bubble.text && bubble.kind !== "sticker") return make("span", {}, enclosed(this.name, bubble), said);
      if (bubble.file) return enclosed(this.name, bubble);
      if (bubble.kind === "location") {
        return make("span", { class: "place" }, make("i", { "aria-hidden": "true" }), word("kind.location"));
      }
      if (bubble.kind === "menu") return make("span", { class: "said", text: word(`menu.${bubble.text}`) });
      return said;
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

    // A message of one's own can be changed or taken back where the platform has it.
    changes(line, bubble) {
      const can = ["edit", "recall"].filter((act) => this.phone.acts.includes(act));
      if (!bubble.changeable || (bubble.kind !== "text" && !can.includes("recall")) || !can.length) return;
      const open = make("button", { type: "button", class: "change", "aria-label": word("change"), text: "⋯" });
      const entries = [];
      if (can.includes("edit") && bubble.kind === "text") entries.push([word("act.edit"), () => this.edit(bubble)]);
      if (can.includes("recall")) {
        entries.push([own("act.recall", this.name), () => this.act("recall", "", bubble.number)]);
      }
      open.addEventListener("click", () => this.open(open, entries));
      line.append(open);
    }

    mark(line, bubble) {
      if (bubble.by !== "me") {
        const receipt = line.querySelector(".receipt");
        if (receipt) receipt.textContent = bubble.mark ? word(`receipt.${bubble.mark}`) : "";
        return;
      }
      const mark = line.querySelector(".mark");
      if (!mark || mark.dataset.mark === bubble.mark) return;
      mark.dataset.mark = bubble.mark;
      const named = NAMED.has(this.name) && bubble.mark === "read";
      const sign = ONE_TICK.has(this.name) && bubble.mark === "delivered" ? "✓" : (MARKS[bubble.mark] ?? "");
      mark.textContent = named ? word("mark.read") : sign;
      mark.setAttribute("title", word(`mark.${bubble.mark}`));
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", word(`mark.${bubble.mark}`));
      line.classList.toggle("failed", bubble.mark === "failed");
    }

    // What the platform lets the shop send to this person.
    drawRoom(phone) {
      const line = this.stand.querySelector(".room");
      line.textContent = this.roomWords(phone);
      line.classList.toggle("shut", Boolean(phone.room) && !phone.room.until);
    }

    roomWords(phone) {
      if (!phone.counts) return word("room.none");
      if (!phone.room) return word("room.unmet");
      const { until, left } = phone.room;
      if (this.name === "line" && (until || !left)) return word("room.line", { left });
      if (!until) return left === 0 ? word("room.used") : word("room.shut");
      const at = new Date(until).toLocaleString(source.dataset.language, {
        weekday: "short",
        hour: "2-digit",
        minute: "2-digit",
        hour12: false,
      });
      return left === null ? word("room.open", { at }) : word("room.left", { at, left });
    }

    drawTyping(phone) {
      const there = this.log.querySelector(".typing");
      if (!phone.typing) there?.remove();
      else if (!there) this.log.append(make("p", { class: "typing", text: word("typing") }));
      else if (there.nextSibling) this.log.append(there);
    }

    drawStart(phone) {
      const wanted = phone.blocking ? "again" : phone.bubbles.length === 0 ? "start" : "";
      const there = this.log.querySelector(".start");
      this.stand.querySelector(".composer").classList.toggle("shut", phone.blocking);
      for (const part of this.stand.querySelectorAll(".composer input, .composer button, .menu-bar button")) {
        part.disabled = phone.blocking;
      }
      if (there?.dataset.why === wanted) return;
      there?.remove();
      if (!wanted) return;
      const act = phone.blocking && phone.acts.includes("unblock") ? "unblock" : "follow";
      const panel = make("div", { class: "start", "data-why": wanted });
      if (phone.acts.includes(act)) {
        const text = own(wanted, this.name);
        panel.append(make("button", { type: "button", text, onclick: () => this.act(act, "") }));
      } else panel.append(make("p", { text: word("start.none") }));
      this.log.append(panel);
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

  window.Phones = { Screen, word, own, make, source };
})();
