"use strict";

async function drawAll() {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  let drawn = 0;
  for (const [name, spec] of Object.entries(specs)) {
    drawn += await draw(document.getElementById(name), spec);
    // Between two pictures the page may scroll, and be read.
    await new Promise((resolve) => setTimeout(resolve));
  }
  document.documentElement.dataset.drawn = String(drawn);
}

// Paper unfolds nothing.
window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

drawAll();
