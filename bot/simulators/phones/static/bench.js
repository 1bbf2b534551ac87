// Draws what lies under a phone: its knobs, and what went over the wire.
(function () {
  "use strict";

  const { word, own, make } = window.Phones;
  const WEBHOOK = ["twice", "slow", "reorder", "forge", "lost", "retry"];
  const PERSON = ["unread"];

  // JSON, forms and XML as a person reads them; anything else as it is.
  function legible(body) {
    try {
      return JSON.stringify(JSON.parse(body), null, 1);
    } catch {
      if (/^\s*</.test(body)) return body.replace(/></g, ">\n<");
      if (!/^[\w.]+=/.test(body)) return body || "—";
      return [...new URLSearchParams(body)].map(([name, value]) => `${name}: ${value}`).join("\n");
    }
  }

  function groupOf(knob) {
    if (WEBHOOK.includes(knob)) return "webhook";
    return PERSON.includes(knob) ? "person" : "api";
  }

  function knobOf(screen, box, knob) {
    const found = box.querySelector(`[name="${knob.name}"]`);
    if (found) return found;
    const why = `why-${screen.name}-${knob.name}`;
    const input = make("input", { type: "checkbox", role: "switch", name: knob.name, "aria-describedby": why });
    input.addEventListener("change", () => screen.turn(knob.name, input.checked));
    const label = make("label", {}, input, make("span", { text: word(`knob.${knob.name}`) }));
    const group = groupOf(knob.name);
    let place = box.querySelector(`[data-group="${group}"]`);
    if (!place) {
      place = make("fieldset", { "data-group": group }, make("legend", { text: word(`knobs.${group}`) }));
      box.append(place);
    }
    place.append(make("div", { class: "knob" }, label, make("small", { id: why, text: word(`why.${knob.name}`) })));
    return input;
  }

  // What the shop's people do on the platform itself, past our console, once somebody has written.
  function drawMoves(screen, phone, box) {
    if (phone.moves.length && !box.querySelector(".moves")) addMoves(screen, phone, box);
    for (const button of box.querySelectorAll(".moves button")) button.disabled = !phone.met;
  }

  function addMoves(screen, phone, box) {
    const press = (move) => () => screen.move(move);
    const buttons = phone.moves.map((move) => {
      return make("button", { type: "button", text: own(`move.${move}`, screen.name), onclick: press(move) });
    });
    const title = make("legend", { text: own("moves", screen.name) });
    box.append(make("fieldset", { class: "moves" }, title, ...buttons, make("small", { text: word("why.moves") })));
  }

  function drawKnobs(screen, phone) {
    const box = screen.stand.querySelector(".knobs");
    drawMoves(screen, phone, box);
    for (const knob of phone.knobs) knobOf(screen, box, knob).checked = knob.on;
    const turned = phone.knobs.filter((knob) => knob.on !== knob.usual).length;
    screen.stand.classList.toggle("faulty", turned > 0);
    const count = screen.stand.querySelector(".turned");
    count.hidden = turned === 0;
    count.textContent = word("knobs.turned", { count: turned });
  }

  function callOf(call) {
    const good = /^2/.test(call.outcome);
    const outcome = words(`outcome.${call.outcome}`) ?? call.outcome;
    const at = new Date(call.at).toLocaleTimeString([], { hour12: false });
    const line = make(
      "summary",
      {},
      make("span", { class: `way way-${call.to}`, text: word(`to.${call.to}`) }),
      make("b", { class: good ? "good" : "bad", text: outcome }),
      make("small", { text: word("took", { at, ms: call.took_ms }) }),
      make("code", { text: `${call.method} ${call.path}` }),
    );
    const said = make("details", {}, line);
    if (call.sealed) said.append(make("p", { class: "sealed", text: word("sealed") }));
    said.append(make("pre", { tabindex: "0", text: legible(call.body) }));
    if (call.answer) {
      said.append(make("p", { class: "sealed", text: word("answer") }), make("pre", { tabindex: "0", text: legible(call.answer) }));
    }
    return make("li", { "data-number": call.number, "data-to": call.to }, said);
  }

  function words(key) {
    const found = word(key);
    return found === key ? null : found;
  }

  // All calls, or those of one direction.
  function filterOf(screen) {
    const list = screen.stand.querySelector(".calls");
    const box = make("select", { class: "way-filter", "aria-label": word("filter") });
    for (const [way, text] of [["", word("filter.all")], ["shop", word("to.shop")], ["platform", word("to.platform")]]) {
      box.append(make("option", { value: way, text }));
    }
    box.addEventListener("change", () => {
      list.dataset.only = box.value;
    });
    list.before(box);
  }

  function drawCalls(screen, phone) {
    if (!screen.stand.querySelector(".way-filter")) filterOf(screen);
    screen.stand.querySelector(".count").textContent = String(phone.calls.length ? phone.calls[0].number : 0);
    screen.stand.querySelector(".no-calls").hidden = phone.calls.length > 0;
    const list = screen.stand.querySelector(".calls");
    const newest = Number(list.firstElementChild?.dataset.number ?? 0);
    const fresh = phone.calls.filter((call) => call.number > newest);
    list.prepend(...fresh.map((call) => callOf(call)));
    while (list.childElementCount > phone.calls.length) list.lastElementChild.remove();
  }

  window.Phones.drawBench = (screen, phone) => {
    drawKnobs(screen, phone);
    drawCalls(screen, phone);
  };
})();
