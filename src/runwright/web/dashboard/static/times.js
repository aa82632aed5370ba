// Times in the reader's time zone; ages and running durations stay current.

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function refresh(root = document) {
  const now = Date.now();
  for (const each of root.querySelectorAll("time[data-time], time[data-ago], time[data-since]")) {
    const at = new Date(each.dateTime);
    const seconds = Math.max((now - at) / 1000, 0);
    if ("time" in each.dataset) put(each, exact.format(at), each.dateTime);
    else if ("ago" in each.dataset) put(each, ago(seconds), exact.format(at));
    else put(each, duration(seconds), `since ${exact.format(at)}`);
  }
}

function put(element, text, title) {
  if (element.textContent !== text) element.textContent = text;
  if (element.title !== title) element.title = title;
}

export function ago(seconds) {
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const steps = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
  for (const [length, unit, shorter, smaller] of steps) {
    if (seconds < length) continue;
    const rest = Math.floor((seconds % length) / shorter);
    return `${Math.floor(seconds / length)} ${unit}${rest ? ` ${rest} ${smaller}` : ""}`;
  }
  return "";
}

refresh();
setInterval(refresh, 1000);
