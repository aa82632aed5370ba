// Follows a page by server-sent events. Each connection begins with everything as it is, and the log
// goes on where it was left, so that nothing is missed; a hidden tab holds no connection.
import { morph } from "./morph.js";
import { refresh } from "./times.js";

const lost = document.querySelector("[data-lost]");

for (const element of document.querySelectorAll("[data-live]")) {
  if (!element.hasAttribute("data-live-ended")) follow(element);
  else document.dispatchEvent(new CustomEvent("log:all"));
}

function follow(element) {
  let source = null;
  let lastLine = 0;
  let patience = 0;

  function open() {
    const address = new URL(element.dataset.live, location.href);
    if (lastLine) address.searchParams.set("after", lastLine);
    source = new EventSource(address);
    source.addEventListener("open", () => {
      patience = 0;
      clearTimeout(follow.worry);
      follow.worry = null;
      lost.hidden = true;
    });
    source.addEventListener("part", (event) => show(JSON.parse(event.data)));
    source.addEventListener("log", (event) => {
      lastLine = Number(event.lastEventId) || lastLine;
      document.dispatchEvent(new CustomEvent("log:lines", { detail: JSON.parse(event.data) }));
    });
    source.addEventListener("over", (event) => {
      close();
      if (JSON.parse(event.data) === "signed out") location.reload();
    });
    source.addEventListener("error", () => {
      // A moment without a connection is nobody's worry.
      follow.worry ??= setTimeout(() => {
        lost.hidden = false;
      }, 1500);
      if (source?.readyState === EventSource.CLOSED) {
        close();
        patience = Math.min(patience + 1, 8);
        setTimeout(reopen, 250 * 2 ** Math.min(patience, 4));
      }
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  async function reopen() {
    if (source || document.hidden) return;
    // Who is signed out is sent to sign in by the page itself.
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() =>
      null
    );
    if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) location.reload();
    else open();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) open();
  });
  open();
}

function show({ id, html }) {
  const place = document.getElementById(id);
  if (!place) return;
  const wanted = place.cloneNode(false);
  const parsed = new DOMParser().parseFromString(html, "text/html");
  wanted.append(...parsed.body.childNodes);
  morph(place, wanted);
  refresh(place);
  document.dispatchEvent(new CustomEvent("part:shown", { detail: place }));
}
