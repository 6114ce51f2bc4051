// Keeps the rows of a page up to date. The server renders; this only puts the new row in place.
"use strict";

const table = document.querySelector('[data-live="rows"]');
const empty = document.querySelector('[data-live="empty"]');
const single = document.querySelector("[data-mac]");
const waiting = new Map();

function refresh(mac) {
  if (waiting.has(mac)) return; // one request a machine at a time, at most four a second
  waiting.set(mac, setTimeout(async () => {
    waiting.delete(mac);
    const answer = await fetch(`/ui/machines/${mac}/row`);
    if (answer.redirected) { location.reload(); return; } // signed out
    const old = document.getElementById("m-" + mac);
    if (answer.status === 404) { old?.remove(); return; }
    if (!answer.ok) return;
    const holder = document.createElement("tbody");
    holder.innerHTML = await answer.text();
    const row = holder.querySelector("tr");
    if (old) old.replaceWith(row); else table.tBodies[0].append(row);
  }, 250));
}

function changed(mac) {
  if (table) refresh(mac);
  else if (empty || (single && single.dataset.mac === mac)) setTimeout(() => location.reload(), 500);
}

if (table || empty || single) {
  const stream = new EventSource("/api/v1/stream");
  stream.addEventListener("event", (m) => {
    const e = JSON.parse(m.data);
    if (e.subject_kind === "machine") changed(e.subject_id);
  });
  stream.addEventListener("progress", (m) => {
    const p = JSON.parse(m.data);
    if (table) refresh(p.mac);
    else if (single && single.dataset.mac === p.mac) {
      const done = p.total ? ` ${Math.floor(100 * p.bytes / p.total)} %` : "";
      single.querySelector('[data-live="progress"]').textContent = p.stage + done;
    }
  });
  stream.addEventListener("reload", () => location.reload());
  addEventListener("pagehide", () => stream.close());
}
