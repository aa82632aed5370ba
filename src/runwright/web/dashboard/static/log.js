// A Run's log: live lines and search. Lines are inserted only as text.

const log = document.querySelector("[data-log]");
const MAX_SHOWN = 20000;
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hour12: false,
});
// deno-lint-ignore no-control-regex -- terminal color codes start with this character
const controls = /\u001b\[[0-9;]*[A-Za-z]/g;

if (log) {
  const search = document.querySelector("[data-log-search]");
  const follow = document.querySelector("[data-log-follow]");
  document.addEventListener("log:lines", ({ detail }) => add(detail, search.value, follow.checked));
  search.addEventListener("input", () => filter(search.value));
  log.addEventListener("scroll", () => {
    if (log.scrollHeight - log.scrollTop - log.clientHeight > 80) follow.checked = false;
  });
  follow.addEventListener("change", () => {
    if (follow.checked) log.scrollTop = log.scrollHeight;
  });
  if (document.querySelector("[data-updates-ended]")) all(search);
}

async function all(search) {
  let after = 0;
  for (;;) {
    const answer = await fetch(`${log.dataset.log}?after=${after}`).catch(() => null);
    if (!answer?.ok) break;
    const lines = (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    if (!lines.length) break;
    after = lines.at(-1).id;
    add(lines, search.value, false);
  }
  const empty = log.querySelector("[data-log-empty]");
  if (empty) empty.textContent = "The log is empty.";
}

function add(lines, wanted, isFollowed) {
  log.querySelector("[data-log-empty]")?.remove();
  const several = lines.some((line) => line.attempt > 1) || log.dataset.several;
  if (several) log.dataset.several = "yes";
  const elements = lines.map((line) => element(line, several, wanted));
  log.append(...elements);
  while (log.childElementCount > MAX_SHOWN) log.firstElementChild.remove();
  if (isFollowed) log.scrollTop = log.scrollHeight;
}

function element(line, several, wanted) {
  const row = document.createElement("div");
  row.className = `log-line ${line.level} from-${line.stream}`;
  const time = document.createElement("time");
  time.dateTime = line.at;
  time.textContent = clock.format(new Date(line.at));
  row.append(time);
  if (several) row.append(span("from", `#${line.attempt}`));
  row.append(span("words", line.text.replace(controls, "")));
  mark(row, wanted);
  return row;
}

function filter(wanted) {
  for (const row of log.querySelectorAll(".log-line")) mark(row, wanted);
}

function mark(row, wanted) {
  const words = row.querySelector(".words");
  const text = words.textContent;
  if (!wanted) {
    row.hidden = false;
    if (words.childElementCount) words.textContent = text;
    return;
  }
  const at = text.toLowerCase().indexOf(wanted.toLowerCase());
  row.hidden = at < 0;
  if (at < 0) return;
  const found = document.createElement("mark");
  found.textContent = text.slice(at, at + wanted.length);
  words.replaceChildren(text.slice(0, at), found, text.slice(at + wanted.length));
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
