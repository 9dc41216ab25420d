"use strict";

// Keys that go and focus, and the half-written word that is kept. No key approves, rejects or freezes anything.
(() => {
  const root = document.documentElement;
  let isGoing = false;

  function rows() {
    return [...document.querySelectorAll("tbody tr[data-open]")];
  }

  function step(by) {
    const all = rows();
    const at = all.indexOf(document.activeElement?.closest("tr"));
    const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
    next?.querySelector("a")?.focus();
  }

  function focus(selector) {
    document.querySelector(selector)?.focus();
  }

  function open(path) {
    if (path) {
      window.location.assign(path);
    }
  }

  function copyCode() {
    const code = document.querySelector("#code")?.textContent;
    if (code) {
      navigator.clipboard?.writeText(code).then(() => custody.say("Code copied"), () => {});
    }
  }

  function unfold() {
    document.querySelectorAll("#decoded, #raw").forEach((each) => {
      each.open = !each.open;
    });
  }

  function turnTheme() {
    const order = ["system", "light", "dark"];
    root.dataset.theme = order[(order.indexOf(root.dataset.theme) + 1) % order.length];
  }

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    u: () => open("/console"),
    "]": () => open(document.querySelector("[data-next]")?.getAttribute("href") || "/console?tab=needs-me"),
    "[": () => window.history.back(),
    "/": () => focus("input[type=search]"),
    a: () => focus("#approve, #passkey.approve"),
    x: () => focus("#reason"),
    c: copyCode,
    d: unfold,
    t: turnTheme,
    "?": () => open("/console/help"),
    g: () => {
      isGoing = true;
      window.setTimeout(() => {
        isGoing = false;
      }, 1500);
    },
  };

  document.addEventListener("keydown", (event) => {
    const inField = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && inField) {
      inField.blur();
      return;
    }
    if (inField || event.ctrlKey || event.metaKey || event.altKey || root.dataset.letters === "off") {
      return;
    }
    if (isGoing) {
      isGoing = false;
      open(document.querySelector(`a[data-letter="${CSS.escape(event.key)}"]`)?.getAttribute("href"));
      event.preventDefault();
      return;
    }
    if (event.key in KEYS) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });

  // A half-written reason survives signing in again: in this tab, on this page, and nowhere else.
  const draft = `draft ${window.location.pathname}`;
  const reason = document.querySelector("#reason");
  if (reason) {
    reason.value = reason.value || sessionStorage.getItem(draft) || "";
    document.addEventListener("input", (event) => {
      if (event.target.id === "reason") {
        sessionStorage.setItem(draft, event.target.value);
      }
    });
  }
})();
