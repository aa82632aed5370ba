// The live view: paints frames of a Run's page on a canvas and sends mouse and keyboard input.
// Each painted frame is acknowledged, so at most two are in flight.

const HEAD_BYTES = 16;
const EXPIRED = 4408;
const FINAL = [4400, 4401, 4403, 4404];
const LEAVE = ".";
const CLICK_DRIFT = 8;
const PING_MILLISECONDS = 2000;
const SILENT_MILLISECONDS = 6000;

const root = document.querySelector("[data-live-view]");
if (root) open(root);

const sharing = document.querySelector("[data-share]");
if (sharing) share(sharing);

function open(view) {
  const find = (name) => view.querySelector(`[data-live-${name}]`);
  const canvas = find("canvas");
  const stage = find("stage");
  const keys = find("keys");
  const control = find("control");
  const address = find("address");
  const question = find("question");
  const words = document.querySelector("[data-live-state]");
  const canvasContext = canvas.getContext("2d", { alpha: false });
  let socket = null;
  let state = null;
  let size = { width: canvas.width, height: canvas.height };
  let newest = 0;
  // Incremented when a picture is cleared, so frames decoded after that are dropped.
  let epoch = 0;
  let failures = 0;
  let isOver = false;
  let hasAsked = false;
  let lastMove = null;
  // Time of the unanswered ping; a page that does not change sends no frames.
  let pingedAt = null;
  let isSilent = false;

  connect();
  setInterval(ping, PING_MILLISECONDS);

  function connect() {
    const url = new URL(view.dataset.liveView, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      failures = 0;
      pingedAt = null;
      if (isSilent) showMessage("");
      isSilent = false;
      if (typeof data === "string") receive(JSON.parse(data));
      else paint(data);
    });
    socket.addEventListener("close", ({ code, reason }) => disconnected(code, reason));
  }

  function send(type, details = {}) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, ...details }));
  }

  function ping() {
    if (!state) return;
    if (pingedAt === null) {
      pingedAt = performance.now();
      send("ping");
    } else if (!isSilent && performance.now() - pingedAt > SILENT_MILLISECONDS) {
      isSilent = true;
      showMessage("The worker has not responded for a while. The picture may be out of date.");
    }
  }

  function disconnected(code, reason) {
    if (isOver) return;
    state = null;
    pingedAt = null;
    render();
    if (code === EXPIRED && "isGuest" in view.dataset) return end("This link has expired.");
    if (FINAL.includes(code)) return end(reason || "This cannot be shown.");
    if (code !== EXPIRED) showMessage("The connection is lost. Reconnecting…");
    failures = Math.min(failures + 1, 5);
    setTimeout(connect, code === EXPIRED ? 0 : 250 * 2 ** failures);
  }

  function end(text) {
    isOver = true;
    showMessage(text);
    if (control) control.disabled = true;
  }

  function showMessage(text) {
    const place = find("message");
    place.textContent = text;
    place.hidden = !text;
  }

  function receive(message) {
    if (message.type === "state") {
      state = message;
      showMessage(state.isRunning ? "" : "Waiting for the browser…");
      if ("takesControl" in view.dataset && state.isRunning && !hasAsked) {
        hasAsked = true;
        send("take");
      }
      render();
    } else if (message.type === "waiting") {
      state = null;
      hasAsked = false;
      showMessage(
        message.hint ??
          (message.status === "pending" ? "Not started yet…" : "Locating its worker…"),
      );
      render();
    } else if (message.type === "choices") {
      showChoices(message.options);
    } else if (message.type === "copied") {
      copy(message.text);
    } else if (message.type === "over") {
      end(`This run has ended: ${message.status ?? "no longer stored"}.`);
      state = null;
      render();
      if (words) words.textContent = message.status ?? "";
      if ("reloads" in view.dataset) location.reload();
    }
  }

  async function paint(data) {
    const head = new DataView(data);
    const number = head.getUint32(0);
    const found = { width: head.getUint16(4), height: head.getUint16(6) };
    const startedIn = epoch;
    const bitmap = await createImageBitmap(
      new Blob([data.slice(HEAD_BYTES)], { type: "image/jpeg" }),
    ).catch(() => null);
    // A frame that decodes late must not replace a newer one or a message.
    if (bitmap && startedIn === epoch && number >= newest) {
      newest = number;
      size = found;
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        canvas.width = bitmap.width;
        canvas.height = bitmap.height;
      }
      canvasContext.drawImage(bitmap, 0, 0);
      stage.classList.remove("empty-stage");
      showMessage("");
    }
    bitmap?.close();
    send("shown", { number });
  }

  function render() {
    const hasControl = Boolean(state?.hasControl);
    stage.classList.toggle("held", hasControl);
    if (!state) {
      stage.classList.add("empty-stage");
      newest = 0;
      epoch += 1;
    }
    showTabs();
    showQuestion();
    find("viewers").textContent = state && state.viewers > 1 ? `${state.viewers} viewers` : "";
    if (!control) return;
    control.disabled = !state?.isRunning;
    control.setAttribute("aria-pressed", String(hasControl));
    control.querySelector("span").textContent = hasControl
      ? "Release control"
      : state?.controller
      ? "Take over"
      : "Take control";
    control.title = !hasControl && state?.controller ? `${state.controller} has control` : "";
    address.hidden = !hasControl;
    keys.tabIndex = hasControl ? 0 : -1;
    const at = state?.pages.find((page) => page.id === state.watching);
    const field = address.elements.url;
    if (document.activeElement !== field) field.value = at?.url ?? "";
  }

  function showTabs() {
    const tabs = find("tabs");
    const pages = state?.pages ?? [];
    const essence = JSON.stringify([pages, state?.watching]);
    // Rebuilt only when changed, to keep the keyboard focus.
    if (tabs.dataset.shown === essence) return;
    tabs.dataset.shown = essence;
    tabs.replaceChildren(...pages.map((page) => {
      const button = document.createElement("button");
      const label = document.createElement("span");
      label.textContent = page.title || page.url || "Empty tab";
      button.type = "button";
      button.title = page.url;
      button.append(label);
      button.setAttribute("aria-pressed", String(page.id === state.watching));
      button.addEventListener("click", () => send("watch", { page: page.id }));
      return button;
    }));
    tabs.querySelector('[aria-pressed="true"]')?.scrollIntoView({
      block: "nearest",
      inline: "nearest",
    });
  }

  function showQuestion() {
    if (!question) return;
    const current = state?.question;
    question.hidden = !current;
    if (!current) return;
    question.querySelector("[data-live-question-text]").textContent = current.text;
    const left = question.querySelector("[data-live-question-left]");
    if (left) left.textContent = `${Math.ceil(current.secondsLeft / 60)} min left`;
    const id = question.elements?.question;
    if (id && id.value !== current.id) {
      id.value = current.id;
      const field = question.elements.answer;
      if (field) {
        field.value = "";
        field.type = current.isSecret ? "password" : "text";
      }
    }
  }

  if (question?.tagName === "FORM") {
    question.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = new URLSearchParams(new FormData(question, event.submitter));
      const answer = await fetch(question.action, { method: "POST", body }).catch(() => null);
      if (answer?.ok) {
        question.hidden = true;
        return;
      }
      const problem = await answer?.json().catch(() => null);
      showMessage(problem?.message ?? "The answer could not be sent.");
    });
  }

  if (!control) return;

  control.addEventListener("click", () => {
    send(state?.hasControl ? "release" : "take");
    if (!state?.hasControl) keys.focus({ preventScroll: true });
  });
  address.addEventListener("submit", (event) => {
    event.preventDefault();
    send("navigate", { url: address.elements.url.value });
    keys.focus({ preventScroll: true });
  });
  address.addEventListener("click", ({ target }) => {
    const act = target.closest("[data-live-go]")?.dataset.liveGo;
    if (act) send(act);
  });

  // Mouse
  const BUTTONS = ["left", "middle", "right", "back", "forward"];
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * size.width,
      y: ((event.clientY - box.top) / box.height) * size.height,
      modifiers: modifiers(event),
    };
  };
  const mouse = (kind, event, more = {}) => {
    if (state?.hasControl) {
      send("mouse", { event: kind, buttons: event.buttons ?? 0, ...place(event), ...more });
    }
  };

  canvas.addEventListener("mousemove", (event) => {
    if (!state?.hasControl) return;
    if (!lastMove) {
      requestAnimationFrame(() => {
        mouse("move", lastMove, { button: held(lastMove.buttons) });
        lastMove = null;
      });
    }
    lastMove = event;
  });
  canvas.addEventListener("mousedown", (event) => {
    if (!state?.hasControl) return;
    event.preventDefault();
    keys.focus({ preventScroll: true });
    mouse("down", event, { button: BUTTONS[event.button], clicks: Math.min(event.detail || 1, 3) });
    addEventListener(
      "mouseup",
      (up) => mouse("up", up, { button: BUTTONS[up.button], clicks: Math.min(up.detail || 1, 3) }),
      { once: true },
    );
  });
  canvas.addEventListener("contextmenu", (event) => {
    if (state?.hasControl) event.preventDefault();
  });
  canvas.addEventListener("wheel", (event) => {
    if (!state?.hasControl) return;
    event.preventDefault();
    const unit = [1, 16, size.height][event.deltaMode];
    mouse("wheel", event, { dx: event.deltaX * unit, dy: event.deltaY * unit });
  }, { passive: false });

  // Touch: a tap clicks, a drag scrolls.
  let touch = null;
  canvas.addEventListener("touchstart", (event) => {
    if (!state?.hasControl || event.touches.length !== 1) return;
    const { clientX, clientY } = event.touches[0];
    touch = { clientX, clientY, startX: clientX, startY: clientY, isDrag: false };
    event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("touchmove", (event) => {
    if (!touch) return;
    const { clientX, clientY } = event.touches[0];
    touch.isDrag ||= Math.hypot(clientX - touch.startX, clientY - touch.startY) > CLICK_DRIFT;
    const scale = size.width / canvas.getBoundingClientRect().width;
    if (touch.isDrag) {
      mouse("wheel", touch, {
        dx: (touch.clientX - clientX) * scale,
        dy: (touch.clientY - clientY) * scale,
      });
    }
    Object.assign(touch, { clientX, clientY });
    event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("touchend", (event) => {
    if (!touch) return;
    event.preventDefault();
    if (!touch.isDrag) {
      mouse("move", touch);
      mouse("down", { ...touch, buttons: 1 }, { button: "left", clicks: 1 });
      mouse("up", touch, { button: "left", clicks: 1 });
      keys.focus({ preventScroll: true });
    }
    touch = null;
  });

  // Keyboard and clipboard
  keys.addEventListener("focus", () => stage.classList.add("typing"));
  keys.addEventListener("blur", () => stage.classList.remove("typing"));
  keys.addEventListener("keydown", (event) => press("down", event));
  keys.addEventListener("keyup", (event) => press("up", event));
  keys.addEventListener("paste", (event) => {
    event.preventDefault();
    const text = event.clipboardData.getData("text/plain");
    if (text) send("text", { text });
  });
  // Text without a key of its own: other scripts, emoji, phone keyboards.
  keys.addEventListener("compositionend", (event) => {
    if (event.data) send("text", { text: event.data });
    keys.value = "";
  });
  keys.addEventListener("input", (event) => {
    if (event.isComposing) return;
    if (event.inputType === "insertText" && event.data) send("text", { text: event.data });
    keys.value = "";
  });

  function press(kind, event) {
    if (
      !state?.hasControl || event.isComposing ||
      ["Process", "Unidentified", "Dead"].includes(event.key)
    ) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    if (isCommand && event.key === LEAVE) {
      event.preventDefault();
      control.focus();
      return;
    }
    if (isCommand && letter === "v") return;
    event.preventDefault();
    if (kind === "down" && isCommand && (letter === "c" || letter === "x")) send("copy");
    send("key", {
      event: kind,
      key: event.key === "Meta" ? "Control" : event.key,
      code: event.code,
      keyCode: event.keyCode,
      location: event.location,
      repeat: event.repeat,
      modifiers: modifiers(event),
    });
  }

  // An open `<select>` is not part of the frame, so it is shown here.
  function showChoices(options) {
    const dialog = find("choices");
    const list = dialog.querySelector("select");
    list.replaceChildren(...options.map(({ label, isDisabled, isChosen }, place) => {
      const option = new Option(label, place, isChosen, isChosen);
      option.disabled = isDisabled;
      return option;
    }));
    list.size = Math.max(2, Math.min(options.length, 12));
    const choose = () => {
      if (list.selectedIndex >= 0) send("choose", { place: list.selectedIndex });
      dialog.close();
    };
    list.onclick = (event) => {
      if (event.target.tagName === "OPTION") choose();
    };
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      choose();
    };
    list.onkeydown = (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        choose();
      }
    };
    dialog.onclose = () => keys.focus({ preventScroll: true });
    dialog.showModal();
    list.focus();
  }

  async function copy(text) {
    const isDone = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    if (isDone) return;
    // Without TLS, browsers offer scripts no clipboard.
    keys.value = text;
    keys.select();
    document.execCommand("copy");
    keys.value = "";
  }
}

// The remote browser does not run on a Mac, so Command acts as Control.
function modifiers(event) {
  return (event.altKey ? 1 : 0) + (event.ctrlKey || event.metaKey ? 2 : 0) +
    (event.shiftKey ? 8 : 0);
}

function held(buttons) {
  return buttons & 1 ? "left" : buttons & 2 ? "right" : buttons & 4 ? "middle" : "none";
}

function share(dialog) {
  const made = dialog.querySelector("[data-share-made]");
  const link = dialog.querySelector("input");
  document.querySelector("[data-share-open]").addEventListener("click", () => dialog.showModal());
  dialog.querySelector("[data-share-close]").addEventListener("click", () => dialog.close());
  dialog.querySelector("[data-share-copy]").addEventListener("click", () => {
    link.select();
    navigator.clipboard?.writeText(link.value).catch(() => {});
  });
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(event.target));
    const answer = await fetch(event.target.action, { method: "POST", body }).catch(() => null);
    if (!answer?.ok) return;
    link.value = (await answer.json()).url;
    made.hidden = false;
    link.select();
  });
}
