// Preview of a schedule's next firings, rendered by the server while it is edited.

for (const place of document.querySelectorAll("[data-firings]")) preview(place);

function preview(place) {
  const text = document.getElementById(place.dataset.of);
  let waiting = 0;
  let last = "";
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 300);
  };

  async function draw() {
    let schedule;
    try {
      schedule = JSON.parse(text.value).schedule;
    } catch {
      return;
    }
    const wanted = JSON.stringify(schedule ?? null);
    if (wanted === last) return;
    last = wanted;
    if (!schedule || !(schedule.intervals?.length || schedule.calendars?.length)) {
      showMessage("No schedule. The job runs when triggered.");
      return;
    }
    const answer = await fetch(place.dataset.firings, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: wanted,
    }).catch(() => null);
    if (!answer || wanted !== last) return;
    const body = await answer.json();
    if (!answer.ok) {
      showMessage(body.message);
      return;
    }
    const parsed = new DOMParser().parseFromString(body.html, "text/html");
    place.replaceChildren(...parsed.body.childNodes);
  }

  function showMessage(words) {
    const line = document.createElement("p");
    line.className = "empty";
    line.textContent = words;
    place.replaceChildren(line);
  }

  text.addEventListener("input", soon);
  text.addEventListener("rewritten", soon);
  draw();
}
