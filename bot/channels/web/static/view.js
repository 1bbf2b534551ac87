// What is seen: the launcher and the panel inside a shadow root. Text enters the page through textContent only.

const CSS = "@@WIDGET_CSS@@";
const MAX_CHARS = 4000;
const CLUSTER_MS = 5 * 60 * 1000;
const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  chat: ["M4 5.5h16a1.5 1.5 0 0 1 1.5 1.5v9.5A1.5 1.5 0 0 1 20 18h-8l-4.6 3.4a.6.6 0 0 1-.9-.5V18H4a1.5 1.5 0 0 1-1.5-1.5V7A1.5 1.5 0 0 1 4 5.5z", "M7.5 10h9M7.5 13.5h5.5"],
  close: ["M6 6l12 12M18 6L6 18"],
  send: ["M4.5 11.8 20 4.5l-5.6 15.8-3-6.4z", "M11.4 13.9 20 4.5"],
  picture: ["M4 5h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z", "M3.5 17l5-5.5 4 4 3-3 5 5M15.5 9.5h.01"],
  down: ["M12 5v13M6.5 12.5 12 18l5.5-5.5"],
};

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const shape of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}

// An address of the web, without the punctuation that ends a sentence.
const ADDRESS = /(https?:\/\/[^\s<>"'`，。！？；：、（）【】《》「」]*[^\s<>"'`，。！？；：、（）【】《》「」.,;:!?)\]])/i;

// What the shop says, its addresses to be followed; nothing but http and https ever becomes a link.
function linked(text) {
  const link = (address) => make("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow", text: address });
  return text.split(ADDRESS).map((part, index) => (index % 2 && URL.canParse?.(part) ? link(part) : part));
}

// A lantern with the character 二: the shop hand's sign.
function mark() {
  return make("span", { class: "mark", "aria-hidden": "true", text: "二" });
}

function adoptStyles(root) {
  if ("adoptedStyleSheets" in root && "replaceSync" in CSSStyleSheet.prototype) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    root.adoptedStyleSheets = [sheet];
  } else root.append(make("style", { text: CSS }));
}

class Clockwork {
  // Times as the visitor's own clock and zone show them.
  constructor(locale, words) {
    this.words = words;
    this.locale = locale === "zh" ? "zh-CN" : "en";
    this.time = new Intl.DateTimeFormat(this.locale, { hour: "2-digit", minute: "2-digit", hour12: false });
    this.full = new Intl.DateTimeFormat(this.locale, { dateStyle: "long", timeStyle: "short" });
  }

  day(at) {
    const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
    const days = Math.round((midnight(new Date()) - midnight(at)) / 86400000);
    if (days === 0) return this.words.today;
    if (days === 1) return this.words.yesterday;
    const options = { month: "long", day: "numeric", weekday: "short" };
    if (at.getFullYear() !== new Date().getFullYear()) options.year = "numeric";
    return new Intl.DateTimeFormat(this.locale, options).format(at);
  }
}

class View {
  constructor(options, actions) {
    this.words = STRINGS[options.locale];
    this.clockwork = new Clockwork(options.locale, this.words);
    this.actions = actions;
    this.rows = new Map();
    this.host = make("div", { id: "xiaoer-widget" });
    const root = this.host.attachShadow({ mode: "open" });
    adoptStyles(root);
    this.frame = make("div", { class: "frame", lang: options.locale === "zh" ? "zh-CN" : "en" });
    this.frame.append(this.buildLauncher(), this.buildPanel(options.title || this.words.title));
    root.append(this.frame);
    document.body.append(this.host);
    const seen = window.visualViewport;
    if (seen) for (const what of ["resize", "scroll"]) seen.addEventListener(what, () => this.keepInSight());
  }

  // Where a phone's keyboard lies over the page (iOS), the chat ends above it: only the visual viewport tells of it.
  keepInSight() {
    const { height, offsetTop, scale } = window.visualViewport;
    const covered = !this.panel.hidden && this.fullScreen && scale === 1 && window.innerHeight - height > 80;
    const stay = this.atEnd();
    this.panel.style.height = covered ? `${height}px` : "";
    this.panel.style.translate = covered ? `0 ${offsetTop}px` : "";
    if (stay) this.log.scrollTop = this.log.scrollHeight;
  }

  buildLauncher() {
    const words = this.words;
    this.badge = make("span", { class: "badge", "aria-hidden": "true" });
    this.badge.hidden = true;
    this.launcher = make("button", { class: "launcher", type: "button", "aria-expanded": "false", "aria-haspopup": "dialog" });
    this.launcher.append(icon("chat"), make("span", { class: "launcher-label", text: words.launcher }), this.badge);
    this.nameLauncher(0);
    this.launcher.addEventListener("click", () => this.actions.onToggle());
    return this.launcher;
  }

  buildPanel(title) {
    const words = this.words;
    this.panel = make("section", { class: "panel", role: "dialog", "aria-label": title });
    this.panel.hidden = true;
    this.status = make("p", { class: "status", text: words.subtitle });
    const closer = make("button", { class: "closer", type: "button", "aria-label": words.close }, icon("close"));
    closer.addEventListener("click", () => this.actions.onToggle());
    const heading = make("div", { class: "heading" }, make("h2", { text: title }), this.status);
    this.notice = make("p", { class: "banner", role: "status" });
    this.notice.hidden = true;
    this.panel.append(make("div", { class: "top" }, mark(), heading, closer), this.notice, this.buildLog(), this.buildComposer());
    this.panel.addEventListener("keydown", (event) => this.onKey(event));
    return this.panel;
  }

  buildLog() {
    const words = this.words;
    this.list = make("ol", { class: "items" });
    this.dots = make("div", { class: "typing" }, mark());
    const bubble = make("div", { class: "bubble dots" }, make("i"), make("i"), make("i"));
    this.dots.append(bubble, make("span", { class: "unseen", text: words.typing }));
    this.dots.hidden = true;
    this.quick = make("div", { class: "quick", role: "group", "aria-label": words.quick });
    this.log = make("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": words.log, tabindex: "0" });
    this.log.append(this.list, this.quick, this.dots);
    this.log.addEventListener("scroll", () => this.atEnd() && (this.jump.hidden = true), { passive: true });
    this.jump = make("button", { class: "jump", type: "button" }, icon("down"), make("span", { text: words.newBelow }));
    this.jump.hidden = true;
    this.jump.addEventListener("click", () => this.scrollToEnd());
    return make("div", { class: "log-frame" }, this.log, this.jump);
  }

  buildComposer() {
    const words = this.words;
    this.input = make("textarea", { rows: "1", maxlength: String(MAX_CHARS), placeholder: words.placeholder });
    this.input.setAttribute("aria-label", words.input);
    this.input.setAttribute("enterkeyhint", "send");
    this.counter = make("span", { class: "counter", "aria-live": "polite" });
    this.sender = make("button", { class: "sender", type: "submit", "aria-label": words.send }, icon("send"));
    const form = make("form", { class: "composer" }, ...this.buildPicker(), this.input, this.sender, this.counter);
    this.takeFiles(form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("input", () => this.fit());
    this.input.addEventListener("keydown", (event) => {
      // While an input method composes, Enter chooses characters and sends nothing.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.submit();
    });
    this.fit();
    return form;
  }

  buildPicker() {
    const chosen = make("input", { type: "file", accept: "image/*", hidden: "" });
    const button = make("button", { class: "picker", type: "button", "aria-label": this.words.picture }, icon("picture"));
    button.addEventListener("click", () => chosen.click());
    chosen.addEventListener("change", () => {
      this.offer(chosen.files);
      chosen.value = "";
    });
    return [button, chosen];
  }

  offer(files) {
    const pictures = [...files].filter((file) => file.type.startsWith("image/")).slice(0, 5);
    pictures.forEach((file) => this.actions.onPicture(file));
    return pictures.length > 0;
  }

  takeFiles(form) {
    form.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length && this.offer(event.clipboardData.files)) event.preventDefault();
    });
    this.panel.addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes("Files")) event.preventDefault();
    });
    this.panel.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.offer(event.dataTransfer.files);
    });
  }

  submit() {
    const text = this.input.value.trim();
    if (!text) return;
    this.clearInput();
    this.actions.onSend(text);
  }

  clearInput() {
    this.input.value = "";
    this.fit();
  }

  fit() {
    const stay = this.atEnd();
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 120)}px`;
    const left = MAX_CHARS - this.input.value.length;
    this.counter.textContent = left <= 200 ? this.words.left(left) : "";
    this.sender.disabled = !this.input.value.trim();
    if (stay) this.log.scrollTop = this.log.scrollHeight;
  }

  get fullScreen() {
    return window.matchMedia("(max-width: 480px)").matches;
  }

  onKey(event) {
    event.stopPropagation(); // the host page's shortcuts do not see what is typed here
    if (event.key === "Escape") this.actions.onToggle();
    if (event.key !== "Tab" || !this.fullScreen) return;
    const stops = [...this.panel.querySelectorAll("button, textarea, a[href], [tabindex='0']")].filter(
      (stop) => !stop.disabled && stop.getClientRects().length,
    );
    const active = this.host.shadowRoot.activeElement;
    const edge = event.shiftKey ? stops[0] : stops[stops.length - 1];
    if (active !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops[stops.length - 1] : stops[0]).focus();
  }

  show(open) {
    this.panel.hidden = !open;
    this.frame.classList.toggle("open", open);
    this.panel.setAttribute("aria-modal", String(open && this.fullScreen));
    if (window.visualViewport) this.keepInSight();
    this.launcher.setAttribute("aria-expanded", String(open));
    if (!open) return this.launcher.focus();
    this.fit();
    this.scrollToEnd(true);
    this.focusInput();
    return undefined;
  }

  // On a touch screen the focus stays off the field, so that the keyboard does not cover what was just said.
  focusInput() {
    if (window.matchMedia("(pointer: coarse)").matches) this.log.focus({ preventScroll: true });
    else this.input.focus({ preventScroll: true });
  }

  setUnread(count) {
    this.badge.hidden = count === 0;
    this.badge.textContent = count > 9 ? "9+" : String(count);
    this.nameLauncher(count);
  }

  // Its name begins with the words one sees, by which people call it who speak to their computer.
  nameLauncher(count) {
    const { launcher, open, unread } = this.words;
    this.launcher.setAttribute("aria-label", [launcher, open, ...(count ? [unread(count)] : [])].join(" · "));
  }

  setNotice(text) {
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }

  setTyping(on) {
    const stay = this.atEnd();
    this.dots.hidden = !on;
    if (on && stay) this.scrollToEnd();
  }

  // What is offered already stays as it is: a button replaced between press and release swallows the click.
  setQuick(buttons) {
    const offered = JSON.stringify(buttons);
    if (offered === this.offered) return;
    this.offered = offered;
    this.quick.replaceChildren(
      ...buttons.map((button) => {
        const chip = make("button", { class: "chip", type: "button", text: button.label });
        chip.addEventListener("click", () => {
          this.actions.onButton(button);
          this.focusInput();
        });
        return chip;
      }),
    );
  }

  // Draws `items` in their order, touching only what changed, so that a screen reader hears only what is new.
  draw(items, quiet) {
    const stay = this.atEnd();
    this.log.setAttribute("aria-busy", String(Boolean(quiet)));
    const wanted = new Set(items.map((item) => item.key));
    for (const [key, row] of this.rows) if (!wanted.has(key)) this.forget(key, row);
    let fresh = false;
    items.forEach((item, index) => {
      let row = this.rows.get(item.key);
      if (!row) {
        row = new Row(this.words, this.clockwork, this.actions);
        this.rows.set(item.key, row);
        fresh = fresh || item.sender !== "customer";
      }
      row.update(item, items[index - 1], items[index + 1]);
      if (this.list.children[index] !== row.element) this.list.insertBefore(row.element, this.list.children[index] || null);
    });
    const own = items.length && items[items.length - 1].sender === "customer";
    if (stay || own) this.scrollToEnd(quiet);
    else if (fresh) this.jump.hidden = false;
    if (quiet) setTimeout(() => this.log.setAttribute("aria-busy", "false"), 300);
  }

  forget(key, row) {
    row.element.remove();
    this.rows.delete(key);
  }

  atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
  }

  scrollToEnd(instant) {
    this.jump.hidden = true;
    const still = instant || window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    requestAnimationFrame(() => this.log.scrollTo({ top: this.log.scrollHeight, behavior: still ? "instant" : "smooth" }));
  }
}

class Row {
  constructor(words, clockwork, actions) {
    this.words = words;
    this.clockwork = clockwork;
    this.actions = actions;
    this.element = make("li");
    this.day = make("p", { class: "day" });
    this.face = make("span", { class: "mark", "aria-hidden": "true" });
    this.name = make("span", { class: "name" });
    this.bubble = make("p", { class: "bubble", dir: "auto" });
    this.pictures = make("div", { class: "pictures" });
    this.shown = "";
    this.time = make("time");
    this.state = make("span", { class: "state" });
    this.retry = make("button", { class: "retry", type: "button", text: words.retry });
    this.retry.addEventListener("click", () => this.actions.onRetry(this.key));
    this.meta = make("p", { class: "meta" }, this.time, this.state, this.retry);
    this.element.append(this.day, this.face, make("div", { class: "body" }, this.name, this.bubble, this.pictures, this.meta));
  }

  update(item, before, after) {
    this.key = item.key;
    const joined = (a, b) => a && b && a.sender === b.sender && a.agent_name === b.agent_name && b.at - a.at < CLUSTER_MS;
    const sameDay = before && before.at.toDateString() === item.at.toDateString();
    const first = !joined(before, item) || !sameDay;
    const last = !joined(item, after);
    this.element.className = `row ${item.sender}${first ? " first" : ""}${last ? " last" : ""} ${item.state || ""}`;
    this.set(this.day, sameDay ? "" : this.clockwork.day(item.at));
    this.day.hidden = sameDay;
    this.set(this.face, item.sender === "agent" ? [...(item.agent_name || this.words.agent)][0].toUpperCase() : "二");
    this.set(this.name, this.nameOf(item));
    this.name.classList.toggle("unseen", !(first && (item.sender === "agent" || item.sender === "notice")));
    this.setWords(item);
    this.bubble.hidden = !item.text;
    this.showPictures(item);
    this.set(this.time, this.clockwork.time.format(item.at));
    this.time.setAttribute("datetime", item.at.toISOString());
    this.time.setAttribute("title", this.clockwork.full.format(item.at));
    this.set(this.state, this.stateOf(item));
    this.retry.hidden = item.state !== "failed" || Boolean(item.lasting);
  }

  // A picture of this page is shown from the page; the others are fetched once.
  showPictures(item) {
    const attachments = item.attachments || [];
    const shown = item.file ? "own" : attachments.map((one) => one.id).join();
    if (shown === this.shown) return;
    this.shown = shown;
    if (item.file) this.pictures.replaceChildren(this.image(item.file));
    else this.pictures.replaceChildren(...attachments.map((one) => this.placeholder(one)));
  }

  placeholder(attachment) {
    const known = attachment.kind === "image" || attachment.kind === "sticker";
    const label = attachment.name || (known ? this.words.picturePart : this.words.file);
    const place = make(known ? "span" : "button", { class: "picture", text: label });
    const fetched = () => this.actions.onShow(attachment.id);
    if (known) fetched().then((blob) => place.replaceWith(this.image(blob, label))).catch(() => undefined);
    else place.addEventListener("click", () => fetched().then((blob) => this.save(blob, label)).catch(() => undefined));
    return place;
  }

  image(blob, label = this.words.picturePart) {
    const image = make("img", { class: "picture", alt: label });
    image.src = URL.createObjectURL(blob);
    return image;
  }

  save(blob, name) {
    const link = make("a", { download: name });
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  nameOf(item) {
    if (item.sender === "customer") return this.words.you;
    if (item.sender === "agent") return item.agent_name ? `${item.agent_name} · ${this.words.agent}` : this.words.agent;
    return item.sender === "notice" ? this.words.notice : this.words.bot;
  }

  stateOf(item) {
    if (item.state === "sending") return this.words.sending;
    if (item.state === "failed") return item.problem || this.words.failed;
    return item.truncated ? this.words.truncated : "";
  }

  setWords({ text, sender }) {
    if (this.bubble.textContent !== text) this.bubble.replaceChildren(...(sender === "customer" ? [text] : linked(text)));
  }

  set(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
}
