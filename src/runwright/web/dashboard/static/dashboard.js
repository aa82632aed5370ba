// What every page loads: each part looks for what it serves and does nothing where there is none.
import "./times.js";
import "./page-updates.js";
import "./actions.js";
import "./keys.js";
import "./log.js";
import "./json-view.js";
import "./schema-form.js";
import "./firings.js";
import "./sign-in.js";
