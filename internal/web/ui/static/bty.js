// What every page shares: copying, questions as dialogs, forms that are sent once, failures shown.
"use strict";

(() => {
  const toast = document.getElementById("toast");
  let hide;

  function say(text) {
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(hide);
    hide = setTimeout(() => { toast.hidden = true; }, 8000);
  }

  // navigator.clipboard is there over HTTPS only; the appliance is mostly on plain HTTP.
  async function copy(text) {
    if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("the browser does not let a page copy");
  }

  document.addEventListener("click", async (e) => {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    try {
      await copy(button.dataset.copy);
      button.classList.add("copied");
      setTimeout(() => button.classList.remove("copied"), 1200);
    } catch (err) { say(`Not copied: ${err.message}`); }
    button.focus();
  });

  // A link with data-dialog leads to a page that asks; here its question is shown in place.
  const dialog = document.getElementById("dialog");
  document.addEventListener("click", async (e) => {
    const link = e.target.closest("a[data-dialog]");
    if (link && !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0) {
      e.preventDefault();
      const answer = await fetch(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
      if (answer?.status === 401) { signedOut(); return; }
      const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
      const question = page && page.getElementById("question");
      if (!question) { location.assign(link.href); return; } // the page itself says what is wrong
      dialog.replaceChildren(question);
      dialog.showModal();
      dialog.querySelector("[data-close]")?.focus();
    } else if (e.target.closest("#dialog [data-close]")) {
      e.preventDefault();
      dialog.close();
    }
  });

  // What somebody has begun to fill in is not taken from under their hands.
  document.addEventListener("input", (e) => {
    if (e.target.form && e.target.form.method === "post") e.target.form.dataset.changed = "yes";
  });

  // A form goes out once, however often its button is pressed.
  document.addEventListener("submit", (e) => {
    const form = e.target;
    if (form.method !== "post" || e.defaultPrevented) return;
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => { for (const b of form.querySelectorAll("button")) b.disabled = true; });
  });
  addEventListener("pageshow", () => { // also when the reader comes back to it
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const b of form.querySelectorAll("button")) b.disabled = false;
    }
  });

  function signedOut() { document.dispatchEvent(new CustomEvent("bty:signed-out")); }

  document.addEventListener("htmx:responseError", (e) => {
    const xhr = e.detail.xhr;
    if (xhr.status === 401) { signedOut(); return; }
    if (xhr.status === 404 && e.detail.elt.dataset.live) { e.detail.elt.remove(); return; } // it is gone
    let text = `${xhr.status} ${xhr.statusText}`;
    try { text = JSON.parse(xhr.responseText).detail || text; } catch { /* not one of ours */ }
    say(typeof text === "string" ? text : "The request was not accepted.");
  });
  document.addEventListener("htmx:sendError", () => say("The appliance does not answer."));

  // A box with data-all="ids" ticks every box of its form with that name, and shows whether all are.
  document.addEventListener("change", (e) => {
    const form = e.target.form;
    if (!form || e.target.type !== "checkbox") return;
    const all = form.querySelector("[data-all]");
    if (!all) return;
    const boxes = [...form.querySelectorAll(`input[type="checkbox"][name="${CSS.escape(all.dataset.all)}"]`)];
    if (e.target === all) for (const b of boxes) b.checked = all.checked;
    all.checked = boxes.length > 0 && boxes.every((b) => b.checked);
    all.indeterminate = !all.checked && boxes.some((b) => b.checked);
  });

  // What the reader has opened stays open when its place is refreshed.
  const opened = new Set();
  document.addEventListener("toggle", (e) => {
    if (e.target.id && e.target.isConnected) opened[e.target.open ? "add" : "delete"](e.target.id);
  }, true);
  document.addEventListener("htmx:load", (e) => {
    for (const id of opened) {
      const details = document.getElementById(id);
      if (details && (e.detail.elt.contains(details) || details.contains(e.detail.elt))) details.open = true;
    }
  });

  // What needs a script to work is shown by one.
  const reveal = (root) => { for (const b of root.querySelectorAll("[data-copy][hidden], [data-all][hidden]")) b.hidden = false; };
  reveal(document);
  document.addEventListener("htmx:load", (e) => reveal(e.detail.elt.parentElement || document));

  // "2 min ago" goes on being true.
  function since(ms) {
    const s = Math.max(0, ms / 1000);
    if (s < 10) return "just now";
    if (s < 60) return `${Math.floor(s)} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ago`;
    return `${Math.floor(s / 86400)} days ago`;
  }
  setInterval(() => {
    if (document.hidden) return;
    for (const t of document.querySelectorAll("time[data-ago]")) t.textContent = since(Date.now() - Date.parse(t.dateTime));
  }, 10000);
})();
