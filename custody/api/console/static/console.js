"use strict";

// What the other scripts share. Nothing here is needed to read a page.
const custody = {
  /** Say something, once, to who listens to the page. */
  say(text) {
    document.querySelector("#said").textContent = text;
  },
};
