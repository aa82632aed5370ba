// Actions: confirmation dialogs, row selection, copying, going back.

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.confirm && !confirm(button.dataset.confirm)) event.preventDefault();
  if ("copy" in button.dataset) copy(button, button.dataset.copy);
  if ("back" in button.dataset) history.back();
});

export async function copy(button, text) {
  const isDone = await navigator.clipboard?.writeText(text).then(() => true, () => false) ??
    copyWithoutClipboard(text);
  const title = button.title;
  button.title = isDone ? "Copied" : "Could not copy";
  button.classList.toggle("copied", isDone);
  setTimeout(() => {
    button.title = title;
    button.classList.remove("copied");
  }, 1500);
}

// Without TLS, browsers offer scripts no clipboard.
function copyWithoutClipboard(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  return isDone;
}

const form = document.querySelector("[data-selection]");
if (form) {
  const boxes = () => [...form.querySelectorAll('input[name="run"]')];
  const updateSelection = () => {
    const count = boxes().filter((box) => box.checked).length;
    const words = form.querySelector("[data-selection-count]");
    if (words) words.textContent = count ? `${count} selected` : "None selected";
    for (const button of form.querySelectorAll("[data-needs-selection]")) button.disabled = !count;
    const all = form.querySelector("[data-select-all]");
    if (all) all.checked = count > 0 && count === boxes().length;
  };
  form.addEventListener("change", (event) => {
    if ("selectAll" in event.target.dataset) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    updateSelection();
  });
  document.addEventListener("part:updated", updateSelection);
  updateSelection();
}

const filters = document.querySelector("[data-filters]");
if (filters) {
  // Empty filters stay out of the URL, so people can read and share it.
  filters.addEventListener("submit", () => {
    for (const field of filters.elements) if (field.name && !field.value) field.disabled = true;
  });
  filters.addEventListener("change", (event) => {
    if (event.target.tagName === "SELECT") filters.requestSubmit();
  });
  addEventListener("pageshow", () => {
    for (const field of filters.elements) field.disabled = false;
  });
}

for (const figure of document.querySelectorAll("[data-picture]")) hideWhenMissing(figure);
document.addEventListener("part:updated", ({ detail }) => {
  for (const figure of detail.querySelectorAll("[data-picture]")) hideWhenMissing(figure);
});

// A trace without pictures has no last screenshot.
function hideWhenMissing(figure) {
  figure.querySelector("img")?.addEventListener("error", () => {
    figure.hidden = true;
  });
}
