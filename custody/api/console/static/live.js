"use strict";

// Looks again when the server says that something happened, and says so when it has not been heard for a while.
// What is shown is what the server said, never what a person is about to do.
(() => {
  const main = document.querySelector("main");
  const freshness = document.querySelector("#freshness");
  if (!freshness || !window.EventSource) {
    return;
  }
  const SILENCE_MS = 15000;
  const SPREAD_MS = 1500;
  let heard = Date.now();
  let isStale = false;
  let waiting = false;

  /** Fetched as a document: no text of it passes through a script. */
  function fetchPage(path) {
    return new Promise((resolve, reject) => {
      const call = new XMLHttpRequest();
      call.open("GET", path);
      call.responseType = "document";
      call.setRequestHeader("X-Custody-Live", "1");
      call.onload = () => (call.status === 200 && call.responseURL.endsWith(path) ? resolve(call.response) : reject());
      call.onerror = reject;
      call.send();
    });
  }

  function taken(node) {
    return document.importNode(node, true);
  }

  function mayMove(node) {
    return !node.contains(document.activeElement) && !node.matches(":hover");
  }

  /** Rows that changed are shown anew; what is new waits behind a link, so that nothing moves under a finger. */
  function refreshRows(other) {
    const shown = new Map([...document.querySelectorAll("tr[data-version]")].map((row) => [row.id, row]));
    let changed = 0;
    let fresh = 0;
    const there = new Set();
    for (const row of other.querySelectorAll("tr[data-version]")) {
      there.add(row.id);
      const old = shown.get(row.id);
      if (!old) {
        fresh += 1;
      } else if (old.dataset.version !== row.dataset.version && mayMove(old)) {
        const next = taken(row);
        next.classList.add("changed");
        old.replaceWith(next);
        changed += 1;
      }
    }
    for (const [name, row] of shown) {
      if (!there.has(name) && !row.classList.contains("gone")) {
        row.classList.add("gone");
        const mark = document.createElement("span");
        mark.className = "tag plain";
        mark.textContent = "no longer here";
        row.firstElementChild.append(" ", mark);
        changed += 1;
      }
    }
    const place = document.querySelector("#fresh-rows");
    if (place && fresh) {
      const link = document.createElement("a");
      link.href = window.location.href;
      link.textContent = `${fresh} new`;
      place.replaceChildren(link);
    }
    const gone = changed ? `${changed} changed` : "";
    const came = fresh ? `${fresh} new` : "";
    return [gone, came].filter(Boolean).join(", ");
  }

  /** A page about one thing: its parts are replaced where they differ; a half-written reason is kept. */
  function refreshParts(other) {
    const reason = document.querySelector("#reason")?.value;
    const next = [...other.querySelector("main").children];
    const old = [...main.children];
    let said = "";
    next.forEach((part, place) => {
      const before = old[place];
      if (!before) {
        main.append(taken(part));
      } else if (before.outerHTML !== part.outerHTML && (mayMove(before) || part.id === "verdicts")) {
        said = part.className === "stands" ? part.textContent : said;
        const isOpen = [...before.querySelectorAll("details")].map((each) => each.open);
        const made = taken(part);
        made.querySelectorAll("details").forEach((each, number) => {
          each.open = isOpen[number] || false;
        });
        before.replaceWith(made);
      }
    });
    const box = document.querySelector("#reason");
    if (box && reason) {
      box.value = reason;
    }
    return said;
  }

  async function look() {
    waiting = false;
    if (!main.dataset.live) {
      return;
    }
    try {
      const other = await fetchPage(main.dataset.live);
      for (const name of ["#freshness", "#needs-me", ".summary", ".tabs"]) {
        const [old, next] = [document.querySelector(name), other.querySelector(name)];
        if (old && next && !old.contains(document.activeElement)) {
          old.replaceWith(taken(next));
        }
      }
      document.title = other.title;
      const said = document.querySelector("tr[data-version]") || other.querySelector("tr[data-version]")
        ? refreshRows(other)
        : refreshParts(other);
      if (said) {
        custody.say(said);
      }
      isFresh();
    } catch {
      // The page stays as it is, and becomes stale in time.
    }
  }

  function controls() {
    return document.querySelectorAll("button.approve, button.reject, #passkey");
  }

  function isFresh() {
    heard = Date.now();
    if (isStale) {
      isStale = false;
      document.querySelector("#stale").remove();
      for (const button of controls()) {
        button.disabled = false;
        button.setAttribute("aria-describedby", button.dataset.described || "");
      }
    }
  }

  function becomeStale() {
    const seconds = Math.round((Date.now() - heard) / 1000);
    let banner = document.querySelector("#stale");
    if (!banner) {
      banner = document.createElement("p");
      banner.id = "stale";
      banner.className = "banner warn";
      banner.setAttribute("role", "status");
      document.querySelector("#notices").append(banner);
    }
    banner.textContent = `Live updates stopped ${seconds} s ago. Decisions are closed until they resume.`;
    if (!isStale) {
      isStale = true;
      for (const button of controls()) {
        button.dataset.described = button.getAttribute("aria-describedby") || "";
        button.disabled = true;
        button.setAttribute("aria-describedby", "stale");
      }
    }
  }

  const source = new EventSource("/console/live");
  source.addEventListener("beat", isFresh);
  source.addEventListener("changed", () => {
    isFresh();
    if (!waiting) {
      waiting = true;
      // Many pages hear the same bell: they do not all look in one moment.
      window.setTimeout(look, Math.random() * SPREAD_MS);
    }
  });
  window.addEventListener("pagehide", () => source.close());
  window.setInterval(() => {
    if (Date.now() - heard > SILENCE_MS) {
      becomeStale();
    }
  }, 1000);
})();
