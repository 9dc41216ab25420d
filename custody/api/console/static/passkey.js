"use strict";

// One button a page asks the browser for a passkey and sends what it answers; the server decides everything.
(() => {
  const button = document.querySelector("button[data-options]");
  if (!button) {
    return;
  }
  const outcome = document.querySelector("#outcome");

  function say(text, isBad) {
    outcome.textContent = text;
    outcome.className = isBad ? "bad" : "";
  }

  async function ask(options) {
    if (button.dataset.kind === "create") {
      return navigator.credentials.create({
        publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
      });
    }
    return navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
    });
  }

  async function send(credential) {
    const answer = await fetch(button.dataset.send, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ challenge: button.dataset.challenge, credential: credential.toJSON() }),
    });
    const said = await answer.json();
    if (!answer.ok) {
      throw new Error(`${said.field ? said.field + ": " : ""}${said.detail}`);
    }
    window.location.assign(said.next);
  }

  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    button.setAttribute("aria-disabled", "true");
    say("Nothing is sent yet: waiting for your passkey …", false);
    try {
      await send(await ask(JSON.parse(button.dataset.options)));
    } catch (error) {
      say(`Nothing was recorded. ${error.message}`, true);
      button.removeAttribute("aria-disabled");
    }
  });
})();
