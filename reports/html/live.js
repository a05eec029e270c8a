"use strict";

const everyMs = 1000;
const shown = new Map();

function element(tag, classes, text) {
  const made = document.createElement(tag);
  made.className = classes;
  made.textContent = text;
  return made;
}

function say(id, text) {
  document.getElementById(id).textContent = text;
}

function fill(id, children) {
  document.getElementById(id).replaceChildren(...children);
}

function tell(data) {
  say("phase", data.phase);
  document.getElementById("progress").value = data.share;
  fill("moments", data.moments.map((text) => element("li", "", text)));
  fill("endpoints", data.endpoints.map((cells) => {
    const row = element("tr", "", "");
    row.append(...cells.map((text, column) => element("td", column ? "n" : "", text)));
    return row;
  }));
}

function sectionOf(title) {
  const found = [...document.querySelectorAll("#pictures > section")].find((one) => one.dataset.title === title);
  if (found) return found.lastElementChild;
  const section = element("section", "", "");
  section.dataset.title = title;
  section.append(element("h2", "", title), element("div", "pictures", ""));
  document.getElementById("pictures").append(section);
  return section.lastElementChild;
}

function figureOf(title, picture) {
  const known = shown.get(picture.name);
  if (known) return known;
  const figure = element("figure", "", "");
  figure.append(
    element("h3", "", ""), element("ul", "keys", ""), element("div", "picture", ""), element("figcaption", "", ""),
  );
  figure.children[2].id = picture.name;
  sectionOf(title).append(figure);
  const made = { figure, drawn: "" };
  shown.set(picture.name, made);
  return made;
}

function keyOf({ label, colour, dashed }) {
  const item = element("li", "", "");
  const mark = element("i", dashed ? "dashed" : "", "");
  mark.style.setProperty("--colour", colour);
  item.append(mark, label);
  return item;
}

async function show(title, picture) {
  const made = figureOf(title, picture);
  const [heading, keys, place, caption] = made.figure.children;
  heading.textContent = picture.title;
  caption.textContent = picture.caption;
  keys.replaceChildren(...picture.keys.map(keyOf));
  const asked = JSON.stringify(picture.spec);
  if (asked === made.drawn) return;
  // What is there stays until the next is drawn: nothing flickers, and the page does not jump.
  const next = element("div", "picture next", "");
  made.figure.append(next);
  await draw(next, picture.spec);
  next.id = picture.name;
  place.replaceWith(next);
  next.classList.remove("next");
  made.drawn = asked;
}

async function look() {
  let data;
  try {
    data = await (await fetch("data", { cache: "no-store" })).json();
  } catch {
    say("state", "The run is over, or cannot be reached; its report is in the folder that it names.");
    return;
  }
  tell(data);
  for (const section of data.sections) {
    for (const picture of section.pictures) await show(section.title, picture);
  }
  document.documentElement.dataset.drawn = String(shown.size);
  if (data.over) say("state", "The run is over; its report is in the folder that it names.");
  else setTimeout(look, everyMs);
}

look();
