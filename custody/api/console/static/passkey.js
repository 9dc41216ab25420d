"use strict";

// One button a page asks the browser for a passkey and sends what it answers; the server decides everything.
(() => {
  const button = document.querySelector("#passkey");
  if (!button) {
    return;
  }
  const outcome = document.querySelector("#outcome");
  const secret = button.dataset.secret ? { secret: window.location.hash.slice(1) } : {};

  function say(text, isBad) {
    outcome.textContent = text;
    outcome.className = isBad ? "bad" : "";
  }

  async function post(path, body) {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    if (!answer.ok) {
      throw new Error(`${said.field ? said.field + ": " : ""}${said.detail}`);
    }
    return said;
  }

  /** The question this page carries, or the one it fetches now. */
  async function question() {
    if (button.dataset.ask) {
      return post(button.dataset.ask, secret);
    }
    return { challenge: button.dataset.challenge, options: JSON.parse(button.dataset.options) };
  }

  async function answer(options) {
    if (button.dataset.kind === "create") {
      return navigator.credentials.create({
        publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
      });
    }
    return navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
    });
  }

  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    button.setAttribute("aria-disabled", "true");
    say("Nothing is sent yet: waiting for your passkey.", false);
    try {
      const { challenge, options } = await question();
      const credential = (await answer(options)).toJSON();
      const said = await post(button.dataset.send, { ...secret, challenge, credential });
      window.location.assign(said.next);
    } catch (error) {
      say(`Nothing was recorded. ${error.message}`, true);
      button.removeAttribute("aria-disabled");
    }
  });
})();
