// Loaded by every page; each module does nothing where its elements are missing.
import "./times.js";
import "./page-updates.js";
import "./actions.js";
import "./keys.js";
import "./log.js";
import "./json-view.js";
import "./schema-form.js";
import "./firings.js";
import "./sign-in.js";
