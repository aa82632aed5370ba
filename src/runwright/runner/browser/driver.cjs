// Loaded into Playwright's driver: what a browser is started with that Playwright has no option for.
"use strict";

const childProcess = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const FOLDER = "--user-data-dir=";
const LISTS = ["--enable-features=", "--disable-features="];
// The viewer would show a PDF instead of downloading it, and no automation can read what it shows.
const PREFERENCES = { plugins: { always_open_pdf_externally: true } };

const { spawn } = childProcess;

childProcess.spawn = (command, given, options) => {
  const folder = Array.isArray(given) && given.find((each) => each.startsWith(FOLDER));
  if (!folder) return spawn(command, given, options);
  const profile = path.join(folder.slice(FOLDER.length), "Default");
  fs.mkdirSync(profile, { recursive: true });
  const file = path.join(profile, "Preferences");
  if (!fs.existsSync(file)) fs.writeFileSync(file, JSON.stringify(PREFERENCES));
  return spawn(command, joined(given), options);
};

// Of a list that is given twice Chromium reads the last one: Playwright's would be lost to ours.
function joined(given) {
  let rest = given;
  for (const list of LISTS) {
    const values = given.filter((each) => each.startsWith(list)).map((each) => each.slice(list.length));
    rest = rest.filter((each) => !each.startsWith(list));
    if (values.length) rest = [list + values.filter(Boolean).join(","), ...rest];
  }
  return rest;
}
