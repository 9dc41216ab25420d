"use strict";

// What the other scripts share, and the end of a sign-in said in time. Nothing here is needed to read a page.
const custody = {
  /** Say something, once, to who listens to the page. */
  say(text) {
    document.querySelector("#said").textContent = text;
  },
};

(() => {
  const WARNED_SECONDS = 60;
  const first = Number(document.documentElement.dataset.idle);
  if (!first) {
    return;
  }
  let ends = Date.now() + first * 1000;
  let warning = null;

  async function stay() {
    const answer = await fetch("/console/stay", { method: "POST" });
    if (answer.ok) {
      ends = Date.now() + (await answer.json()).idle_seconds * 1000;
      warning.remove();
      warning = null;
      custody.say("You stay signed in");
    }
  }

  function warn() {
    warning = document.createElement("p");
    warning.id = "idle";
    warning.className = "banner warn";
    warning.setAttribute("role", "alert");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Stay signed in";
    button.addEventListener("click", stay);
    warning.append("You are signed out in a minute, for nothing was done. ", button);
    document.querySelector("#notices").append(warning);
    // One key is enough: Enter. What somebody is writing is left alone.
    if (!document.activeElement || document.activeElement === document.body) {
      button.focus();
    }
  }

  window.setInterval(() => {
    const left = (ends - Date.now()) / 1000;
    if (left < WARNED_SECONDS && left > 0 && !warning) {
      warn();
    }
    if (left <= 0) {
      window.location.assign("/console/sign-in");
    }
  }, 1000);
})();
