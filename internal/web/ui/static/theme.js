// Sets the colours before anything is drawn: what the reader chose, else what the system says.
"use strict";

(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("bty-theme"); } catch { /* no storage: as the system says */ }

  function apply() {
    root.dataset.bsTheme = chosen || (dark.matches ? "dark" : "light");
    for (const word of document.querySelectorAll("[data-theme-word]")) word.textContent = chosen || "as the system";
  }

  root.classList.add("js");
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const now = root.dataset.bsTheme === "dark" ? "light" : "dark";
        chosen = now === (dark.matches ? "dark" : "light") ? null : now;
        try {
          if (chosen) localStorage.setItem("bty-theme", chosen); else localStorage.removeItem("bty-theme");
        } catch { /* for this page only, then */ }
        apply();
      });
    }
  });
})();
