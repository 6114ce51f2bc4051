// Keeps what a page shows up to date, through the page's one EventSource, which the SSE extension
// of htmx opens. The server renders; this says what has changed (see doc.go).
"use strict";

(() => {
  const indicator = document.getElementById("live");
  if (!indicator) return; // nobody is signed in
  const words = { live: "live", off: "offline", out: "signed out", rest: "paused" };

  function show(state) {
    indicator.dataset.state = state;
    indicator.querySelector(".word").textContent = words[state];
  }

  function signedOut() {
    show("out");
    const note = document.getElementById("signed-out");
    note.querySelector("a").href = "/ui/login?next=" + encodeURIComponent(location.pathname + location.search);
    note.hidden = false;
  }
  document.addEventListener("bty:signed-out", signedOut);

  // Whether a stream that ended was ended because nobody is signed in any more.
  async function checkSession() {
    const answer = await fetch("/ui/session", { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.status === 401) signedOut();
    return answer;
  }
  // A browser opens six connections to a server, in all its tabs together: a tab that nobody looks
  // at gives its stream back, and catches up when somebody does.
  const patience = 5000;
  let stream, resting;
  let asOf = document.getElementById("stream").dataset.asOf; // the newest event that the page knows of
  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    if (document.hidden) {
      resting = setTimeout(() => { stream?.close(); show("rest"); }, patience);
    } else {
      checkSession();
      if (stream?.readyState === EventSource.CLOSED) reopen();
      pump();
    }
  });

  function reopen() {
    const old = document.getElementById("stream");
    const fresh = old.cloneNode();
    old.replaceWith(fresh);
    htmx.process(fresh);
  }

  // What was missed is not told: all that is shown is asked for again, many rows as one list.
  function catchUp() {
    const list = document.getElementById("list");
    const rows = list ? list.querySelectorAll("[data-live]") : [];
    const asOne = rows.length > 20 && !list.querySelector(":checked") && !isBusy(list);
    if (asOne) htmx.ajax("GET", location.href, { source: list, target: list, select: "#list", swap: "outerHTML" });
    for (const el of document.querySelectorAll("[data-live]")) {
      if (!asOne || !list.contains(el)) refresh(el);
    }
  }

  // What waits to be refreshed: a place at most once in 500 ms (data-live-every) and not again before
  // the answer is there, at most four at a time, none while the reader is in it. The answer puts
  // another element in place of the old one, so that a place goes by its id.
  const waiting = new Map(); // place -> when it may be refreshed
  const refreshed = new Map(); // place -> when it was last
  const asking = new Set(); // places whose answer is awaited
  const pause = 500, width = 4;
  let timer;

  const placeOf = (el) => el.id || el;
  const at = (place) => (typeof place === "string" ? document.getElementById(place) : place.isConnected && place) || null;

  function refresh(el) {
    const place = placeOf(el);
    if (!waiting.has(place)) waiting.set(place, Math.max(Date.now() + 50, (refreshed.get(place) || 0) + (Number(el.dataset.liveEvery) || pause)));
    pump();
  }

  const isBusy = (el) => el.querySelector("dialog[open], form[data-changed]") ||
    (el.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));

  function pump() {
    clearTimeout(timer);
    if (document.hidden) return; // it is done when somebody looks
    let soonest = Infinity;
    for (const [place, when] of waiting) {
      const el = at(place);
      if (!el) { waiting.delete(place); continue; }
      const due = isBusy(el) ? Date.now() + 1000 : when;
      if (due <= Date.now() && asking.size < width && !asking.has(place)) ask(place, el);
      else soonest = Math.min(soonest, Math.max(due, Date.now() + 50));
    }
    if (soonest < Infinity) timer = setTimeout(pump, soonest - Date.now());
  }

  function ask(place, el) {
    waiting.delete(place);
    refreshed.set(place, Date.now());
    asking.add(place);
    const end = () => { if (asking.delete(place)) pump(); };
    el.addEventListener("htmx:afterRequest", end, { once: true });
    setTimeout(end, 10000); // whatever became of it
    htmx.trigger(el, "refresh");
  }

  function changed(subject, id) {
    for (const el of document.querySelectorAll("[data-live]")) {
      const words = el.dataset.live.split(" ");
      if (words.includes(subject) || words.includes(`${subject}/${id}`)) refresh(el);
    }
  }

  // What no event tells of is asked for every data-live-poll milliseconds, while somebody looks.
  setInterval(() => {
    for (const el of document.querySelectorAll("[data-live-poll]")) {
      if (!document.hidden && Date.now() - (refreshed.get(placeOf(el)) || 0) >= Number(el.dataset.livePoll)) refresh(el);
    }
  }, 1000);

  function counts(kind) {
    for (const el of document.querySelectorAll("[data-live-new]")) {
      const kinds = el.dataset.liveNew.split(" ");
      if (!kinds.includes(kind) && !kinds.includes("*")) continue;
      const n = Number(el.dataset.count || 0) + 1;
      el.dataset.count = n;
      el.querySelector("[data-number]").textContent = n;
      el.hidden = false;
    }
  }

  function size(n) {
    for (const unit of ["B", "kB", "MB", "GB"]) {
      if (n < 1000) return `${Number(n.toPrecision(3))} ${unit}`;
      n /= 1000;
    }
    return `${Number(n.toPrecision(3))} TB`;
  }

  function advance(p) {
    for (const el of document.querySelectorAll(`[data-progress="${CSS.escape(p.mac)}"]`)) {
      const bar = el.querySelector("progress");
      if (!bar) { // it has begun: the state beside it has changed, too
        const holder = el.closest("[data-live]");
        if (holder) refresh(holder);
        continue;
      }
      const percent = p.total ? Math.min(100, Math.floor(100 * p.bytes / p.total)) : 0;
      el.querySelector(".stage").textContent = p.stage;
      bar.setAttribute("aria-label", p.stage);
      if (p.total) bar.value = percent; else bar.removeAttribute("value");
      el.querySelector(".figures").textContent = [p.total ? `${percent} %` : "", p.bytes ? size(p.bytes) : "",
        p.rate ? `${size(p.rate)}/s` : ""].filter(Boolean).join(", ");
    }
  }

  function listen(source) {
    source.addEventListener("open", () => show("live"));
    source.addEventListener("error", async () => {
      if (indicator.dataset.state !== "out") show("off");
      if (source.readyState === EventSource.CLOSED) checkSession();
    });
    source.addEventListener("event", (m) => {
      const e = JSON.parse(m.data);
      asOf = m.lastEventId || asOf;
      counts(e.kind);
      if (e.subject_kind) changed(e.subject_kind, e.subject_id);
      changed("event", "");
    });
    source.addEventListener("progress", (m) => advance(JSON.parse(m.data)));
    source.addEventListener("worker", (m) => { const w = JSON.parse(m.data); changed(w.kind, w.key); });
    source.addEventListener("reload", (m) => { asOf = m.lastEventId || asOf; catchUp(); });
    addEventListener("pagehide", () => source.close());
  }

  htmx.createEventSource = (url) => {
    stream = new EventSource(asOf ? `${url}?after=${asOf}` : url);
    listen(stream);
    return stream;
  };
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); }); // its stream was closed
})();
