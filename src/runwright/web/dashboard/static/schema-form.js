// A form built from a JSON Schema. The raw JSON beside it is what is submitted. Fields that the form
// cannot show are edited as JSON; properties that the schema does not know are kept.

const MAX_ITEMS = 60;
let number = 0;

for (const place of document.querySelectorAll("[data-schema-form]")) begin(place);
for (const form of document.querySelectorAll("[data-reload]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
for (const form of document.querySelectorAll("[data-submit-keys]")) {
  form.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") form.requestSubmit();
  });
}

function begin(place) {
  const schema = JSON.parse(place.dataset.schema);
  const text = document.getElementById(place.dataset.schemaForm);
  const raw = text.closest("[data-raw]");
  const modes = place.closest("form").querySelector("[data-modes]");
  const root = resolve(schema, schema);
  if (!root.properties || !Object.keys(root.properties).length) return;
  const problems = JSON.parse(place.dataset.problems || "[]");
  const choice = document.createElement("span");
  choice.className = "segments";
  const buttons = { Form: () => form(), JSON: () => json() };
  for (const [name, act] of Object.entries(buttons)) {
    const button = make("button", { type: "button", textContent: name });
    button.addEventListener("click", act);
    choice.append(button);
  }
  modes.append(choice);

  function form() {
    let value;
    try {
      value = JSON.parse(text.value.trim() || "{}");
    } catch {
      return json("This is not valid JSON, so the form cannot show it.");
    }
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      return json("The form can only show objects.");
    }
    const field = object(root, value, { whole: schema, path: place.dataset.root, problems });
    const changed = () => {
      text.value = JSON.stringify(field.get() ?? {}, null, 2);
      text.dispatchEvent(new Event("rewritten"));
    };
    place.replaceChildren(...field.element.childNodes);
    place.oninput = changed;
    place.onchange = changed;
    place.onclick = () => setTimeout(changed);
    show("Form");
  }

  function json(why) {
    show("JSON");
    text.setCustomValidity("");
    let hint = raw.querySelector(".hint");
    if (!hint) raw.append(hint = make("p", { className: "hint muted" }));
    hint.textContent = why ?? "";
  }

  function show(mode) {
    place.hidden = mode !== "Form";
    raw.hidden = mode === "Form";
    for (const button of choice.children) {
      button.setAttribute("aria-pressed", String(button.textContent === mode));
    }
  }

  if (problems.some((problem) => problem.path === (place.dataset.root || "body"))) json();
  else form();
}

// A field: its element and its value (undefined if left out).
function field(schema, value, context, isNeeded) {
  const { schema: plain, isNullable } = simple(resolve(schema, context.whole), context.whole);
  const needed = isNeeded && !isNullable;
  if (plain["x-calendar"]) return calendar(value);
  if ("const" in plain) return choose([plain.const], value ?? plain.const, true);
  if (plain.enum) return choose(plain.enum, value ?? plain.default, needed);
  switch (plain.type) {
    case "string":
      return words(plain, value, needed);
    case "integer":
    case "number":
      return amount(plain, value, needed);
    case "boolean":
      return yes(plain, value, needed);
    case "array":
      return plain.items && !Array.isArray(plain.items) && (value?.length ?? 0) <= MAX_ITEMS
        ? list(plain, value, context)
        : any(value);
    case "object":
      return plain.properties
        ? object(plain, value ?? {}, context, value === undefined && !needed)
        : any(value);
    default:
      return any(value);
  }
}

function object(schema, value, context, isLeftOut = false) {
  const element = make("div");
  const fields = new Map();
  const needed = new Set(schema.required ?? []);
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const path = below(context.path, name);
    const found = field(inner, value?.[name], { ...context, path }, needed.has(name));
    fields.set(name, found);
    element.append(
      labelled(
        name,
        resolve(inner, context.whole),
        found,
        needed.has(name),
        context.problems.filter((problem) => problem.path === path),
      ),
    );
  }
  return {
    element,
    isGroup: true,
    get() {
      const result = {};
      for (const [name, kept] of Object.entries(value ?? {})) {
        if (!fields.has(name)) result[name] = kept;
      }
      for (const [name, found] of fields) {
        const inner = found.get();
        if (inner !== undefined) result[name] = inner;
      }
      return isLeftOut && !Object.keys(result).length ? undefined : result;
    },
  };
}

function below(path, name) {
  return path ? `${path}.${name}` : String(name);
}

function labelled(name, schema, found, isNeeded, problems) {
  const title = (schema.title ?? name) + (isNeeded ? "" : " ");
  const wrong = make("span", {
    className: "wrong",
    textContent: problems.map((problem) => problem.message).join("; "),
  });
  const hint = make("span", { className: "hint" });
  hint.append(...withCode(schema.description ?? ""));
  if (found.isGroup) {
    const box = make("fieldset");
    const legend = make("legend", { textContent: title });
    if (!isNeeded) legend.append(make("small", { textContent: "optional" }));
    box.append(legend, ...(schema.description ? [hint] : []), ...found.element.childNodes, wrong);
    return box;
  }
  const box = make("div", { className: "field" });
  const input = found.input ?? found.element;
  input.id ||= `field-${++number}`;
  const label = found.isList
    ? make("span", { id: `${input.id}-title`, className: "strong", textContent: title })
    : make("label", { htmlFor: input.id, textContent: title });
  if (found.isList) {
    box.setAttribute("role", "group");
    box.setAttribute("aria-labelledby", label.id);
  }
  if (!isNeeded) label.append(make("small", { textContent: "optional" }));
  if (problems.length) {
    input.setAttribute("aria-invalid", "true");
    wrong.id = `${input.id}-wrong`;
    input.setAttribute("aria-describedby", wrong.id);
  }
  box.append(label, found.element, ...(schema.description ? [hint] : []), wrong);
  return box;
}

// Renders text in backticks as code.
function withCode(text) {
  return text.split("`").map((
    part,
    index,
  ) => (index % 2 ? make("code", { textContent: part }) : part));
}

function words(schema, value, isNeeded) {
  const isLong = (schema.maxLength ?? 0) > 200 || String(value ?? "").includes("\n");
  const kinds = { date: "date", email: "email", uri: "url", password: "password" };
  const element = isLong ? make("textarea", { rows: 4 }) : make("input", {
    type: kinds[schema.format] ?? (schema.writeOnly ? "password" : "text"),
    autocomplete: "off",
  });
  element.value = value ?? schema.default ?? "";
  if (schema.examples?.length) element.placeholder = String(schema.examples[0]);
  if (isNeeded) element.required = true;
  return { element, get: () => (element.value === "" && !isNeeded ? undefined : element.value) };
}

// A calendar field: a value, `*`, a range such as `9-17` or `0-55/5`, or a list of these.
function calendar(value) {
  const element = make("input", {
    type: "text",
    autocomplete: "off",
    value: value === undefined ? "" : [value].flat().map(calendarText).join(", "),
  });
  const read = (text) => {
    const range = text.match(/^(\d+)\s*-\s*(\d+)(?:\s*\/\s*(\d+))?$/);
    if (range) {
      return {
        start: Number(range[1]),
        end: Number(range[2]),
        ...(range[3] ? { step: Number(range[3]) } : {}),
      };
    }
    return /^\d+$/.test(text) ? Number(text) : text.toUpperCase();
  };
  return {
    element,
    get() {
      const parts = element.value.split(",").map((part) => part.trim()).filter(Boolean).map(read);
      return parts.length > 1 ? parts : parts[0];
    },
  };
}

function calendarText(part) {
  if (part === null || typeof part !== "object") return String(part);
  return `${part.start}${part.end === undefined ? "" : `-${part.end}`}${
    part.step ? `/${part.step}` : ""
  }`;
}

function amount(schema, value, isNeeded) {
  const element = make("input", { type: "number", step: schema.type === "integer" ? "1" : "any" });
  if (schema.minimum !== undefined) element.min = schema.minimum;
  if (schema.maximum !== undefined) element.max = schema.maximum;
  element.value = value ?? schema.default ?? "";
  if (isNeeded) element.required = true;
  return { element, get: () => (element.value === "" ? undefined : Number(element.value)) };
}

function yes(schema, value, isNeeded) {
  if (!isNeeded) return choose([true, false], value ?? schema.default, false);
  const element = make("input", { type: "checkbox", checked: Boolean(value ?? schema.default) });
  return { element, get: () => element.checked };
}

function choose(values, value, isNeeded) {
  const element = make("select");
  if (!isNeeded || value === undefined) {
    element.append(make("option", { value: "", textContent: isNeeded ? "choose…" : "not set" }));
  }
  values.forEach((each, index) =>
    element.append(
      make("option", {
        value: String(index),
        textContent: typeof each === "string" ? each : JSON.stringify(each),
      }),
    )
  );
  const at = values.findIndex((each) => JSON.stringify(each) === JSON.stringify(value));
  element.value = at < 0 ? "" : String(at);
  return { element, get: () => (element.value === "" ? undefined : values[Number(element.value)]) };
}

function list(schema, value, context) {
  const element = make("div");
  const items = [];
  const box = make("div");
  const add = (each) => {
    const found = field(
      schema.items,
      each,
      { ...context, path: below(context.path, items.length) },
      true,
    );
    const row = make("div", { className: "array-item" });
    const inner = make("div");
    inner.append(found.isGroup ? grouped(found) : found.element);
    const input = found.input ?? found.element;
    if (!found.isGroup) input.setAttribute("aria-label", `item ${items.length + 1}`);
    const remove = make("button", { type: "button", className: "quiet", textContent: "Remove" });
    const item = { found, row };
    remove.addEventListener("click", () => {
      items.splice(items.indexOf(item), 1);
      row.remove();
    });
    row.append(inner, remove);
    items.push(item);
    box.append(row);
  };
  for (const each of Array.isArray(value) ? value : []) add(each);
  const more = make("button", { type: "button", textContent: "Add item" });
  more.addEventListener("click", () => {
    add(undefined);
    box.lastElementChild.querySelector("input, select, textarea")?.focus();
  });
  element.append(box, more);
  const wasThere = Array.isArray(value);
  return {
    element,
    input: more,
    isList: true,
    get:
      () => (items.length || wasThere ? items.map(({ found }) => found.get() ?? null) : undefined),
  };
}

function grouped(found) {
  const box = make("fieldset");
  box.append(...found.element.childNodes);
  return box;
}

function any(value) {
  const element = make("textarea", {
    className: "code",
    rows: 3,
    placeholder: "JSON",
    spellcheck: false,
  });
  element.value = value === undefined ? "" : JSON.stringify(value, null, 2);
  let last = value;
  return {
    element,
    get() {
      if (!element.value.trim()) return undefined;
      try {
        last = JSON.parse(element.value);
        element.removeAttribute("aria-invalid");
      } catch {
        element.setAttribute("aria-invalid", "true");
      }
      return last;
    },
  };
}

function simple(schema, whole) {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) {
    const others = options.map((each) => resolve(each, whole)).filter((each) =>
      each.type !== "null"
    );
    const isNullable = others.length < options.length;
    if (others.length === 1) {
      return { schema: { ...others[0], default: schema.default ?? others[0].default }, isNullable };
    }
    return { schema: {}, isNullable };
  }
  if (Array.isArray(schema.type)) {
    const others = schema.type.filter((each) => each !== "null");
    return {
      schema: others.length === 1 ? { ...schema, type: others[0] } : {},
      isNullable: others.length < schema.type.length,
    };
  }
  return { schema, isNullable: false };
}

function resolve(schema, whole, depth = 0) {
  if (typeof schema !== "object" || schema === null) return {};
  const name = schema.$ref?.match(/^#\/(\$defs|definitions)\/(.+)$/);
  if (!name || depth > 20) return schema;
  const { $ref: _, ...rest } = schema;
  return { ...resolve(whole[name[1]]?.[name[2]], whole, depth + 1), ...rest };
}

function make(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
