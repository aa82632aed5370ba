// Keeps a page up to date by server-sent events. Each connection starts with every part as it is
// now, and the log resumes where it stopped, so nothing is missed; a hidden tab holds no connection.
import { Idiomorph } from "./vendor/idiomorph/idiomorph.esm.js";
import { refresh } from "./times.js";

const OFFLINE_NOTICE_MS = 1500;
const RETRY_MS = 250;
const MAX_DOUBLINGS = 4;
const offline = document.querySelector("[data-offline]");
let noticeTimer = null;

for (const element of document.querySelectorAll("[data-updates]")) {
  if (!element.hasAttribute("data-updates-ended")) follow(element);
}

function follow(element) {
  let source = null;
  let lastLine = 0;
  let failures = 0;

  function open() {
    const address = new URL(element.dataset.updates, location.href);
    if (lastLine) address.searchParams.set("after", lastLine);
    source = new EventSource(address);
    source.addEventListener("open", () => {
      failures = 0;
      clearTimeout(noticeTimer);
      noticeTimer = null;
      offline.hidden = true;
    });
    source.addEventListener("part", (event) => update(JSON.parse(event.data)));
    source.addEventListener("log", (event) => {
      lastLine = Number(event.lastEventId) || lastLine;
      document.dispatchEvent(new CustomEvent("log:lines", { detail: JSON.parse(event.data) }));
    });
    source.addEventListener("over", (event) => {
      close();
      if (JSON.parse(event.data) === "signed out") location.reload();
    });
    source.addEventListener("error", () => {
      // A short gap is not worth a notice.
      noticeTimer ??= setTimeout(() => {
        offline.hidden = false;
      }, OFFLINE_NOTICE_MS);
      if (source?.readyState === EventSource.CLOSED) {
        close();
        failures += 1;
        setTimeout(reopen, RETRY_MS * 2 ** Math.min(failures, MAX_DOUBLINGS));
      }
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  async function reopen() {
    if (source || document.hidden) return;
    // The page itself redirects to the sign-in page when the session is over.
    const options = { method: "HEAD", redirect: "manual" };
    const answer = await fetch(location.href, options).catch(() => null);
    const isSignedOut = answer?.type === "opaqueredirect" || answer?.status === 401;
    if (isSignedOut) location.reload();
    else open();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) open();
  });
  open();
}

function update({ id, html }) {
  const part = document.getElementById(id);
  if (!part) return;
  Idiomorph.morph(part, html, {
    morphStyle: "innerHTML",
    callbacks: { beforeNodeMorphed: mayMorph, beforeAttributeUpdated: mayUpdate },
  });
  refresh(part);
  document.dispatchEvent(new CustomEvent("part:updated", { detail: part }));
}

// Scripts fill what is `data-owned`: the server's markup of it is empty.
function mayMorph(from, to) {
  return !from.isEqualNode(to) && from.dataset?.owned === undefined;
}

// What the reader opened, typed or picked, and what scripts hid, stays as it is.
function mayUpdate(name, element) {
  if (name === "open" || name === "hidden") return false;
  if (name === "class") return !element.classList.contains("at");
  const isField = element.matches("input:not([type=hidden]), textarea, option");
  return !(isField && ["value", "checked", "selected"].includes(name));
}
