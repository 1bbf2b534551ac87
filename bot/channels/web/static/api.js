// Talking to the server: the visitor's token, requests, and the event stream with its back-off.

const QUIET_LIMIT_MS = 45000;
const BACKOFF_MS = [1000, 2000, 4000, 8000, 16000, 30000];

// Storage that some browsers forbid on some pages; then the chat lives as long as the page.
function openStore(area) {
  const memory = new Map();
  const usable = (() => {
    try {
      area().setItem("xiaoer:probe", "1");
      area().removeItem("xiaoer:probe");
      return true;
    } catch (error) {
      return false;
    }
  })();
  return {
    get: (key) => (usable ? area().getItem(key) : memory.get(key) || null),
    set(key, value) {
      try {
        if (usable) area().setItem(key, value);
        else memory.set(key, value);
      } catch (error) {
        memory.set(key, value);
      }
    },
    remove(key) {
      if (usable) area().removeItem(key);
      memory.delete(key);
    },
  };
}

class RequestProblem extends Error {
  // `lasting`: the same request would be declined again.
  constructor(message, { status = 0, retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfter * 1000;
    this.lasting = status >= 400 && status < 500 && status !== 429 && status !== 401;
  }
}

// What the page's own site vouches for: `window.xiaoer = { identity: () => fetch(...) }`, a JWT or a signed object.
function siteIdentity() {
  return (window.xiaoer && window.xiaoer.identity) || null;
}

// A known customer's id begins with k, a stranger's with v; a token begins with the id.
const isKnown = (id) => (id || "").startsWith("k");
const visitorOf = (token) => (token || "").slice(0, 25);

class Api {
  constructor(base, locale, store) {
    this.base = base;
    this.locale = locale;
    this.store = store;
    this.key = `xiaoer:${base}:token`;
    this.knownKey = `xiaoer:${base}:known`;
    // Only a stranger's token outlives the page: nothing of a customer stays on a computer he shares with others.
    if (isKnown(store.get(this.key))) store.remove(this.key);
    if (!siteIdentity()) store.remove(this.knownKey);
    this.token = store.get(this.key);
  }

  // Whether whoever looks at this page has chatted before.
  get returning() {
    return Boolean(this.token || this.store.get(this.knownKey));
  }

  // One tab after another, so that tabs opened together are one visitor.
  async session() {
    const open = () => this.openSession();
    if (siteIdentity() || !navigator.locks) return open();
    try {
      return await navigator.locks.request(this.key, open);
    } catch (problem) {
      if (problem.name === "SecurityError") return open(); // a page that may not lock anything
      throw problem;
    }
  }

  async openSession() {
    const given = siteIdentity();
    const identity = typeof given === "function" ? await given() : given;
    const token = this.token || this.store.get(this.key);
    const answer = await this.call("session", { method: "POST", body: JSON.stringify(identity ? { identity, token } : { token }) }, false);
    this.take(answer.token);
    this.renewed = true;
  }

  take(token) {
    const [before, known] = [this.visitor, isKnown(token)];
    this.token = token;
    this.visitor = visitorOf(token);
    if (known) {
      this.store.remove(this.key);
      this.store.set(this.knownKey, "1");
    } else if (this.store.get(this.key) !== token) this.store.set(this.key, token);
    if (before && before !== this.visitor) this.onVisitorChanged(before);
  }

  drop() {
    if (this.store.get(this.key) === this.token) this.store.remove(this.key);
    this.token = null;
  }

  // Another tab of this browser has another token: this one goes on as the same visitor.
  follow() {
    const token = this.store.get(this.key);
    if (token && token !== this.token && !siteIdentity()) this.take(token);
  }

  // The page says that somebody has signed in or out without loading it anew.
  forgetKnown() {
    if (isKnown(this.token)) Object.assign(this, { token: null, visitor: "" });
    if (!siteIdentity()) this.store.remove(this.knownKey);
    this.renewed = false;
  }

  // What a known customer wrote goes out as his, or not at all.
  checkAuthor(by) {
    if (isKnown(by) && by !== this.visitor) throw new RequestProblem("", { status: 410 });
  }

  history() {
    return this.withSession(() => this.call("history"));
  }

  send(message, by) {
    const body = JSON.stringify({ ...message, locale: this.locale });
    return this.sendAs(by, "messages", { method: "POST", body });
  }

  sendPicture(key, file, by) {
    return this.sendAs(by, `pictures?id=${key}`, { method: "POST", body: file, type: file.type || "application/octet-stream" });
  }

  sendAs(by, path, options) {
    return this.withSession(() => {
      this.checkAuthor(by);
      return this.call(path, options);
    });
  }

  // The token cannot stand in an address, so a picture is fetched and shown from memory.
  async picture(id) {
    const options = { headers: this.headers(), credentials: "omit" };
    const response = await fetch(`${this.base}pictures/${encodeURIComponent(id)}`, options);
    if (!response.ok) throw new RequestProblem("", { status: response.status });
    return response.blob();
  }

  // That it was read is not worth a second try.
  read(seq) {
    const body = JSON.stringify({ seq });
    return this.withSession(() => this.call("read", { method: "POST", body })).catch(() => undefined);
  }

  // Every page load renews the token once, so that a regular visitor never meets its end.
  async withSession(action) {
    if (!this.token || !this.renewed) await this.session();
    try {
      return await action();
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      this.drop();
      await this.session();
      return action();
    }
  }

  headers(signed = true) {
    const headers = { "Accept-Language": this.locale };
    if (signed && this.token) headers.Authorization = `Bearer ${this.token}`;
    return headers;
  }

  async call(path, options = {}, signed = true) {
    const headers = this.headers(signed);
    if (options.body) headers["Content-Type"] = options.type || "application/json";
    let response;
    try {
      response = await fetch(this.base + path, { ...options, headers, credentials: "omit", cache: "no-store" });
    } catch (error) {
      throw new RequestProblem("");
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const retryAfter = Number(response.headers.get("Retry-After")) || 0;
    throw new RequestProblem(answer.message || "", { status: response.status, retryAfter });
  }
}

// Reads `text/event-stream` through fetch: unlike EventSource it can carry the token in a header, not in the address.
class Stream {
  constructor(api, handlers) {
    this.api = api;
    this.handlers = handlers;
    this.last = 0;
    this.tries = 0;
    this.wanted = false;
  }

  start() {
    if (this.wanted) return;
    this.wanted = true;
    this.tries = 0;
    this.connect();
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    if (this.abort) this.abort.abort();
  }

  // Listen anew, as another visitor or from the beginning.
  restart() {
    this.last = 0;
    this.tries = 0;
    if (this.abort) this.abort.abort();
  }

  // Try again at once: the network is back, or the page is looked at again.
  hurry(anew) {
    if (!this.wanted || this.connected) return;
    this.tries = 0;
    if (this.abort) return void (anew && this.abort.abort());
    clearTimeout(this.timer);
    this.connect();
  }

  async connect() {
    const abort = new AbortController();
    this.abort = abort;
    try {
      await this.api.withSession(() => this.read(abort));
    } catch (problem) {
      if (problem.retryAfterMs) this.tries = Math.max(this.tries, 3);
    }
    this.connected = false;
    this.abort = null;
    clearTimeout(this.watchdog);
    if (!this.wanted) return;
    this.handlers.onDown();
    const wait = BACKOFF_MS[Math.min(this.tries, BACKOFF_MS.length - 1)];
    this.tries += 1;
    this.timer = setTimeout(() => this.connect(), wait * (0.7 + Math.random() * 0.6));
  }

  async read(abort) {
    const headers = this.api.headers();
    if (this.last) headers["Last-Event-ID"] = String(this.last);
    const url = `${this.api.base}stream`;
    const response = await fetch(url, { headers, signal: abort.signal, credentials: "omit", cache: "no-store" });
    if (!response.ok) throw new RequestProblem("", { status: response.status });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      this.watch(abort);
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      blocks.forEach((block) => this.take(block));
    }
  }

  // The server pings; silence means a dead line that no error has told of yet.
  watch(abort) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => abort.abort(), QUIET_LIMIT_MS);
  }

  take(block) {
    const fields = { event: "message", data: [] };
    for (const line of block.split(/\r?\n/)) {
      const colon = line.indexOf(":");
      if (colon < 1) continue;
      const value = line.slice(colon + 1).replace(/^ /, "");
      if (line.slice(0, colon) === "data") fields.data.push(value);
      else fields[line.slice(0, colon)] = value;
    }
    if (!fields.data.length) return;
    const data = JSON.parse(fields.data.join("\n"));
    if (fields.id) this.last = Math.max(this.last, Number(fields.id));
    if (fields.event === "ready") {
      this.connected = true;
      this.tries = 0;
      this.handlers.onReady();
    } else if (fields.event === "typing") this.handlers.onTyping(data);
    else this.handlers.onItem(data);
  }
}
