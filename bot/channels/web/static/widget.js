// The chat itself: what has been said, what is on its way, and when to listen.

const TYPING_MS = 12000;
const HIDDEN_MS = 60000;
const NOTICE_DELAY_MS = 1500;
const READ_DELAY_MS = 800;
const SEND_RETRY_MS = [1000, 3000];

class Widget {
  constructor(base, options) {
    const local = openStore(() => window.localStorage);
    this.tab = openStore(() => window.sessionStorage);
    this.words = STRINGS[options.locale];
    this.store = local;
    this.seenKey = `xiaoer:${base}:seen`;
    this.unsentKey = `xiaoer:${base}:unsent`;
    this.openKey = `xiaoer:${base}:open`;
    this.api = new Api(base, options.locale, local);
    this.stream = new Stream(this.api, {
      onReady: () => this.onReady(),
      onDown: () => this.onDown(),
      onItem: (item) => this.onItem(item),
      onTyping: (data) => this.onTyping(data),
    });
    this.api.onVisitorChanged = (before) => this.onVisitorChanged(before);
    this.items = new Map();
    this.waiting = new Map();
    this.queue = Promise.resolve();
    this.view = new View(options, {
      onToggle: () => this.toggle(),
      onSend: (text) => this.say({ text }),
      onButton: (button) => this.say({ text: button.label, payload: button.payload }),
      onRetry: (key) => this.retry(key),
      onPicture: (file) => this.say({ text: "", file }),
      onShow: (id) => this.api.picture(id),
    });
    this.listen();
    this.restore();
    // A visitor who has chatted before hears of answers without opening the chat.
    if (this.tab.get(this.openKey) || options.open) this.toggle();
    else if (this.api.returning) this.stream.start();
  }

  listen() {
    window.addEventListener("online", () => this.onOnline());
    window.addEventListener("offline", () => this.updateNotice());
    document.addEventListener("visibilitychange", () => this.onVisibility());
    document.addEventListener("xiaoer:open", () => !this.open && this.toggle());
    document.addEventListener("xiaoer:identity", () => this.onIdentity());
    // "Back" may bring a page from before a sign-out as it stood.
    window.addEventListener("pageshow", (event) => event.persisted && this.onIdentity());
    window.addEventListener("storage", (event) => event.key === this.api.key && this.api.follow());
  }

  // ---------------------------------------------------------------- who looks at the page

  onIdentity() {
    const before = this.api.visitor;
    this.api.forgetKnown();
    if (isKnown(before)) this.clear();
    if (this.stream.wanted) this.stream.restart();
  }

  // A stranger who signs in keeps what he sees; whoever comes after a known customer begins with an empty page.
  onVisitorChanged(before) {
    if (isKnown(before)) this.clear();
    this.stream.restart();
  }

  clear() {
    this.items.clear();
    this.disown();
    this.store.remove(this.seenKey);
    Object.assign(this, { greeting: null, settled: false, loaded: false, told: 0 });
    this.view.clearInput();
    this.draw(true);
  }

  toggle() {
    this.open = !this.open;
    if (this.open) this.tab.set(this.openKey, "1");
    else this.tab.remove(this.openKey);
    this.view.show(this.open);
    if (!this.open) return;
    this.markSeen();
    this.draw(true);
    this.stream.start();
    this.updateNotice();
  }

  // ---------------------------------------------------------------- what comes in

  async onReady() {
    clearTimeout(this.noticeTimer);
    this.down = false;
    // The history heals what a broken stream may have missed, and shows old messages after a reload.
    try {
      const { items } = await this.api.history();
      items.forEach((item) => this.keep(item));
      this.loaded = true;
      this.disown();
      this.draw(!this.settled);
      this.settled = true;
      this.resend();
    } catch (problem) {
      this.loaded = true;
      this.draw(true);
    }
    this.updateNotice();
  }

  onDown() {
    this.down = true;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => this.updateNotice(), NOTICE_DELAY_MS);
  }

  onItem(item) {
    this.keep(item);
    if (item.sender !== "customer") this.onTyping({ on: false });
    this.draw(!this.settled);
  }

  keep(raw) {
    if (raw.client_id) this.settle(raw.client_id);
    const key = raw.client_id || `seq:${raw.seq}`;
    this.items.set(key, { ...raw, key, at: new Date(raw.at) });
  }

  onTyping(data) {
    clearTimeout(this.typingTimer);
    const on = data.on !== false;
    this.view.setTyping(on);
    if (on) this.typingTimer = setTimeout(() => this.view.setTyping(false), TYPING_MS);
  }

  // ---------------------------------------------------------------- what goes out

  say(words) {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const message = { ...words, key, by: this.api.visitor || "", at: new Date(), sender: "customer", state: "sending" };
    this.waiting.set(key, message);
    this.remember();
    this.draw();
    this.enqueue(message);
  }

  // One after another, so that what was written first arrives first.
  enqueue(message) {
    this.queue = this.queue.then(() => this.deliver(message)).catch(() => undefined);
  }

  async deliver(message) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const body = { id: message.key, text: message.text };
        if (message.payload) body.payload = message.payload;
        const answer = await (message.file ? this.api.sendPicture(message.key, message.file, message.by) : this.api.send(body, message.by));
        message.state = "";
        message.truncated = answer.truncated;
        break;
      } catch (problem) {
        const again = !problem.lasting && navigator.onLine && attempt < SEND_RETRY_MS.length;
        if (!again) {
          Object.assign(message, { state: "failed", problem: problem.message, lasting: problem.lasting });
          break;
        }
        await new Promise((done) => setTimeout(done, Math.max(SEND_RETRY_MS[attempt], problem.retryAfterMs)));
      }
    }
    this.remember();
    this.draw();
    this.stream.hurry();
  }

  retry(key) {
    const message = this.waiting.get(key);
    if (!message) return;
    Object.assign(message, { state: "sending", problem: "" });
    this.draw();
    this.view.focusInput();
    this.enqueue(message);
  }

  resend() {
    for (const message of this.waiting.values()) if (message.state === "failed" && !message.lasting) this.retry(message.key);
  }

  // What the customer before wrote in this tab and could not send is not this one's.
  disown() {
    for (const [key, message] of this.waiting) if (isKnown(message.by) && message.by !== this.api.visitor) this.waiting.delete(key);
    this.remember();
  }

  settle(key) {
    if (this.waiting.delete(key)) this.remember();
  }

  // Unsent words survive a reload; the server knows their ids, so sending them again is harmless.
  remember() {
    const unsent = [...this.waiting.values()].filter(
      (message) => message.state && !message.lasting && !message.file && (message.by || !siteIdentity()),
    );
    this.tab.set(this.unsentKey, JSON.stringify(unsent));
  }

  restore() {
    try {
      for (const old of JSON.parse(this.tab.get(this.unsentKey) || "[]"))
        this.waiting.set(old.key, { ...old, at: new Date(old.at), state: "failed" });
    } catch (error) {
      this.tab.remove(this.unsentKey);
    }
  }

  // ---------------------------------------------------------------- what is shown

  draw(quiet) {
    const kept = [...this.items.values()].sort((a, b) => a.seq - b.seq);
    const items = [...kept, ...this.waiting.values()];
    const empty = this.loaded && !items.length;
    if (empty && !this.greeting) this.greeting = { key: "welcome", sender: "bot", text: this.words.welcome, at: new Date() };
    if (this.greeting) items.unshift(this.greeting);
    const last = items[items.length - 1];
    const offered = last && last.sender !== "customer" ? last.buttons || [] : [];
    this.view.setQuick(empty ? this.words.starters : offered);
    this.view.draw(items, quiet);
    if (this.open) this.markSeen();
    else this.view.setUnread(this.unread());
  }

  unread() {
    const seen = Number(this.store.get(this.seenKey)) || 0;
    return [...this.items.values()].filter((item) => item.sender !== "customer" && item.seq > seen).length;
  }

  markSeen() {
    const newest = Math.max(0, ...[...this.items.values()].map((item) => item.seq));
    if (newest) this.store.set(this.seenKey, String(newest));
    this.view.setUnread(0);
    const answered = Math.max(0, ...[...this.items.values()].filter((item) => item.sender !== "customer").map((item) => item.seq));
    if (answered <= (this.told || 0) || document.hidden) return;
    this.told = answered;
    clearTimeout(this.readTimer);
    this.readTimer = setTimeout(() => this.api.read(answered), READ_DELAY_MS);
  }

  updateNotice() {
    if (!navigator.onLine) this.view.setNotice(this.words.offline);
    else if (!this.loaded && this.down) this.view.setNotice(this.words.loadFailed);
    else if (!this.loaded) this.view.setNotice(this.words.connecting);
    else this.view.setNotice(this.down ? this.words.reconnecting : "");
  }

  onOnline() {
    this.updateNotice();
    this.stream.hurry(true);
    if (this.loaded) this.resend();
  }

  // A browser gives a site few connections: tabs nobody looks at let theirs go.
  onVisibility() {
    clearTimeout(this.hiddenTimer);
    if (document.hidden) this.hiddenTimer = setTimeout(() => this.stream.stop(), HIDDEN_MS);
    else if (this.open || this.api.returning) {
      this.stream.start();
      this.stream.hurry();
      if (this.open) this.markSeen();
    }
  }
}

function pickLocale(wanted) {
  const named = wanted && wanted !== "auto" ? wanted : document.documentElement.lang || navigator.language || "zh";
  return named.toLowerCase().startsWith("en") ? "en" : "zh";
}

function startWidget(script) {
  const { locale, title, open } = script.dataset;
  const base = new URL(".", script.src).href;
  const start = () => {
    if (!document.getElementById("xiaoer-widget")) new Widget(base, { locale: pickLocale(locale), title, open: open === "true" });
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start, { once: true });
}

startWidget(document.currentScript);
