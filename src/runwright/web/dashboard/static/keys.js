// Keyboard shortcuts: navigation, row selection, and the jump dialog.

const mount = document.querySelector('meta[name="mount"]').content;
const palette = document.querySelector("[data-palette]");
const help = document.querySelector("[data-keys]");
let isGoing = false;

if (palette) {
  document.querySelector("[data-jump]")?.addEventListener("click", jump);
  document.addEventListener("keydown", press);
  const input = palette.querySelector("input");
  input.addEventListener("input", () => list(input.value));
  input.addEventListener("keydown", choose);
  palette.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    open();
  });
  palette.querySelector("ul").addEventListener("click", (event) => {
    const found = event.target.closest("li");
    if (found) location.assign(found.dataset.href);
  });
}

function press(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    jump();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
    return;
  }
  if (event.target.closest("input, textarea, select, [contenteditable], [data-takes-keys]")) return;
  if (isGoing) {
    isGoing = false;
    document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const act = {
    g: () => {
      isGoing = true;
      setTimeout(() => {
        isGoing = false;
      }, 1200);
    },
    j: () => move(1),
    k: () => move(-1),
    x: tick,
    "?": () => help.showModal(),
    "/": search,
    Enter: enter,
  }[event.key];
  if (!act) return;
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if (event.key !== "Enter" || document.querySelector("tr.at")) event.preventDefault();
  act();
}

function rows() {
  return [...document.querySelectorAll("table.rows tbody tr")].filter((row) => row.offsetParent);
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  all[at]?.classList.remove("at");
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("[data-open]")?.focus({ preventScroll: true });
}

function tick() {
  document.querySelector("tr.at input[type=checkbox]")?.click();
}

function enter() {
  document.querySelector("tr.at [data-open]")?.click();
}

function search() {
  document.querySelector("[data-search]")?.focus();
}

let places = null;

async function jump() {
  palette.showModal();
  palette.querySelector("input").select();
  list(palette.querySelector("input").value);
  places ??= await fetch(`${mount}/places`).then((answer) => answer.json(), () => []);
  list(palette.querySelector("input").value);
}

function list(text) {
  const wanted = text.trim().toLowerCase();
  const found = (places ?? []).filter(({ name, kind }) =>
    `${name} ${kind}`.toLowerCase().includes(wanted)
  ).slice(0, 40);
  if (/^[A-Za-z0-9_-]{21}$/.test(text.trim())) {
    found.unshift({ name: text.trim(), kind: "run", path: `/runs/${text.trim()}` });
  }
  const items = found.map(({ name, kind, path }, number) => {
    const item = document.createElement("li");
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(number === 0));
    item.dataset.href = mount + path;
    item.append(words(name), words(kind));
    return item;
  });
  palette.querySelector("ul").replaceChildren(...items);
}

function words(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element;
}

function choose(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const items = [...palette.querySelectorAll("li")];
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  const next = items[Math.min(Math.max(at + step, 0), items.length - 1)];
  for (const item of items) item.setAttribute("aria-selected", String(item === next));
  next?.scrollIntoView({ block: "nearest" });
}

function open() {
  const found = palette.querySelector('li[aria-selected="true"]');
  if (found) location.assign(found.dataset.href);
}
