// JSON viewer: a tree built as it is opened, and a table for lists of objects.
import { copy } from "./actions.js";

const PAGE = 200;
const PEEK = 80;

for (const element of document.querySelectorAll("[data-json]")) show(element);
document.addEventListener("part:updated", ({ detail }) => {
  for (const element of detail.querySelectorAll("[data-json]:not([data-owned])")) show(element);
});

async function show(element) {
  element.setAttribute("data-owned", "");
  const answer = await fetch(element.dataset.json).catch(() => null);
  if (!answer?.ok) {
    element.removeAttribute("data-owned");
    return;
  }
  const text = await answer.text();
  const value = JSON.parse(text);
  const rows = table(value);
  const body = document.createElement("div");
  const views = [["Tree", () => tree(value, element.dataset.label)], ["Raw", () => raw(value)]];
  if (rows) views.splice(1, 0, ["Table", () => grid(rows, element.dataset.label)]);
  const bar = document.createElement("div");
  bar.className = "json-bar";
  const choice = document.createElement("div");
  choice.className = "segments";
  for (const [name, make] of views) {
    choice.append(button(name, (self) => {
      for (const other of choice.children) {
        other.setAttribute("aria-pressed", String(other === self));
      }
      body.replaceChildren(make());
    }));
  }
  bar.append(choice, button("Copy", (self) => copy(self, JSON.stringify(value, null, 2))));
  bar.append(link("JSON", `${element.dataset.json}?download=true`, null));
  if (rows) bar.append(button("CSV", () => save(csv(rows), `${element.dataset.name}.csv`)));
  element.replaceChildren(bar, body);
  choice.firstElementChild.click();
}

function tree(value, label) {
  const element = document.createElement("div");
  element.className = "tree";
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", `${label} as a tree`);
  element.append(node(null, value, true));
  return element;
}

function node(name, value, isOpen = false) {
  if (value === null || typeof value !== "object") return leaf(name, value);
  const entries = Array.isArray(value)
    ? value.map((each, index) => [index, each])
    : Object.entries(value);
  if (!entries.length) return leaf(name, value);
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  label(summary, name);
  const count = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  summary.append(span("count", count), span("peek", ` ${peek(value)}`));
  details.append(summary);
  const fill = () => {
    if (details.open && details.childElementCount === 1) more(details, entries, 0);
  };
  details.addEventListener("toggle", fill);
  details.open = isOpen;
  if (isOpen) fill();
  return details;
}

function more(details, entries, from) {
  const box = document.createElement("div");
  for (const [name, value] of entries.slice(from, from + PAGE)) box.append(node(name, value));
  const left = entries.length - from - PAGE;
  if (left > 0) {
    box.append(button(`${Math.min(left, PAGE)} more of ${left}`, (self) => {
      self.remove();
      more(details, entries, from + PAGE);
    }));
  }
  details.append(box);
}

function leaf(name, value) {
  const element = document.createElement("div");
  element.className = "leaf";
  label(element, name);
  const kind = value === null ? "null" : typeof value;
  element.append(span(kind, JSON.stringify(value)));
  return element;
}

function label(element, name) {
  if (name !== null) element.append(span("name", String(name)), ": ");
}

function peek(value) {
  const text = JSON.stringify(
    value,
    (_key, each) => (typeof each === "string" && each.length > 40 ? `${each.slice(0, 40)}…` : each),
  );
  return text.length > PEEK ? `${text.slice(0, PEEK)}…` : text;
}

function raw(value) {
  const element = document.createElement("pre");
  element.tabIndex = 0;
  element.textContent = JSON.stringify(value, null, 2);
  return element;
}

// The value if it is a list of objects, or its only property that is one.
function table(value) {
  const isRows = (each) =>
    Array.isArray(each) && each.length > 0 &&
    each.every((row) => row && typeof row === "object" && !Array.isArray(row));
  if (isRows(value)) return value;
  if (!value || typeof value !== "object" || Array.isArray(value)) return null;
  const lists = Object.values(value).filter(isRows);
  return lists.length === 1 ? lists[0] : null;
}

function columns(rows) {
  return [...new Set(rows.slice(0, 1000).flatMap((row) => Object.keys(row)))];
}

function grid(rows, label) {
  const box = document.createElement("div");
  box.className = "json-table";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${label} as a table`);
  const element = document.createElement("table");
  const names = columns(rows);
  const head = element.createTHead().insertRow();
  for (const name of names) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = element.createTBody();
  const add = (from) => {
    for (const row of rows.slice(from, from + PAGE)) {
      const line = body.insertRow();
      for (const name of names) line.insertCell().textContent = words(row[name]);
    }
    if (from + PAGE < rows.length) {
      const cell = body.insertRow().insertCell();
      cell.colSpan = names.length;
      cell.append(button(`${rows.length - from - PAGE} more rows`, () => {
        cell.parentElement.remove();
        add(from + PAGE);
      }));
    }
  };
  add(0);
  box.append(element);
  return box;
}

function words(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function csv(rows) {
  const names = columns(rows);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [names, ...rows.map((row) => names.map((name) => words(row[name])))];
  return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

function save(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const element = link(name, address, name);
  element.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function button(text, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  element.addEventListener("click", () => act(element));
  return element;
}

function link(text, address, name) {
  const element = document.createElement("a");
  element.className = "button";
  element.textContent = text;
  element.href = address;
  element.download = name ?? "";
  return element;
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
