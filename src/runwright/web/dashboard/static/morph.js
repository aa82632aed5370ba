// Makes an element like another one, keeping what the person does with it: focus, choices, what is open.

export function morph(from, to) {
  if (from.isEqualNode(to)) return;
  attributes(from, to);
  if (!from.hasAttribute("data-owned")) children(from, to);
}

function attributes(from, to) {
  for (const { name } of [...from.attributes]) {
    if (to.hasAttribute(name) || name === "open" || name === "data-owned") continue;
    if (name === "class" && from.classList.contains("at")) continue;
    from.removeAttribute(name);
  }
  for (const { name, value } of [...to.attributes]) {
    if (name === "open" || from.getAttribute(name) === value) continue;
    const isAt = name === "class" && from.classList.contains("at");
    from.setAttribute(name, value);
    if (isAt) from.classList.add("at");
  }
}

function children(from, to) {
  const known = new Map();
  for (const child of from.children) {
    const key = keyOf(child);
    if (key) known.set(key, child);
  }
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = keyOf(wanted);
    const found = key ? known.get(key) : alike(at, wanted) ? at : null;
    if (!found) {
      from.insertBefore(wanted, at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else from.insertBefore(found, at);
    if (found.nodeType === Node.ELEMENT_NODE) morph(found, wanted);
    else if (found.data !== wanted.data) found.data = wanted.data;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function alike(one, two) {
  return Boolean(one) && one.nodeType === two.nodeType && one.nodeName === two.nodeName &&
    !keyOf(one);
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || "" : "";
}
