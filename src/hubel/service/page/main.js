/** The page: its header, its languages and themes, and the view that the address names. */

import { ApiError, identified, identify, json, OFFLINE, TOKEN } from "./api.js";
import { choice, fill, h } from "./dom.js";
import { House } from "./network.js";
import { keep, kept, state } from "./store.js";
import { design } from "./view/design.js";
import { looks } from "./view/looks.js";
import { network } from "./view/network.js";
import { neuron } from "./view/neuron.js";
import { through } from "./view/through.js";
import { training } from "./view/training.js";
import { current, LANGUAGES, speak, t } from "./words/words.js";

/** @typedef {{element: HTMLElement, shown?: () => void, gone?: () => void}} View */
/** @typedef {{go: (to: string) => void, again: () => void}} App */

/** @type {Record<string, (app: App, ...given: string[]) => View>} */
const VIEWS = { network, through, neuron, looks, design, training };

/** @type {View | null} */
let view = null;

/** @type {App} */
const app = {
  go: (to) => {
    location.hash = `#/${to}`;
  },
  again: render,
};

/** The view that the address names, and what is after its name. */
function route() {
  const [path] = location.hash.replace(/^#\//, "").split("?");
  const [name, ...given] = path.split("/").map(decodeURIComponent);
  const known = available();
  return { name: known.includes(name) ? name : known[0], given };
}

/** The views that there is something to show in. */
function available() {
  if (!state.house) return state.training ? ["training", "design"] : ["design"];
  const found = ["network", "through", "neuron"];
  if (!state.saved || state.saved.looks) found.push("looks");
  found.push("design");
  if (state.training) found.push("training");
  return found;
}

/** Draws the whole page. */
function render() {
  view?.gone?.();
  const { name, given } = route();
  let problem = "";
  try {
    view = VIEWS[name](app, ...given);
  } catch (error) {
    view = { element: h("section", {}) };
    problem = error instanceof Error ? error.message : String(error);
    console.error(error);
  }
  const page = /** @type {HTMLElement} */ (document.getElementById("page"));
  fill(page, header(name), h("main", { id: "main", tabindex: -1 }, problem ? h("p", { class: "error", role: "alert" }, problem) : null, view.element), footer());
  document.title = `${t(`view.${name}`)} · ${state.house?.model.name ?? "hubel"} · hubel`;
  view.shown?.();
}

/** @param {string} name the view that is shown */
function header(name) {
  return h(
    "header",
    { class: "masthead" },
    h("a", { class: "skip", href: "#main", onclick: skip }, t("skip")),
    h("span", { class: "brand" }, "hubel"),
    models(),
    h(
      "nav",
      { "aria-label": t("views") },
      available().map((each) =>
        h("a", { href: `#/${each}`, "aria-current": each === name ? "page" : null }, t(`view.${each}`)),
      ),
    ),
    h(
      "div",
      { class: "settings" },
      h("div", { role: "group", "aria-label": t("language") }, Object.keys(LANGUAGES).map((each) => choice({ en: "EN", ko: "한국어" }[each] ?? each, each === current(), () => chosen(() => speak(each))))),
      h("button", { type: "button", class: "theme", "aria-label": t("theme"), title: t("theme"), onclick: () => chosen(turn) }, "◐"),
    ),
  );
}

/** The name of the network, or a choice of several. */
function models() {
  if (!state.house) return null;
  if (state.names.length < 2) return h("span", { class: "model" }, state.house.model.name);
  return h(
    "select",
    { class: "model", "aria-label": t("model"), onchange: (/** @type {any} */ event) => void change(event.target.value) },
    state.names.map((each) => h("option", { value: each, selected: each === state.house?.model.name }, each)),
  );
}

function footer() {
  return h("footer", {}, state.saved ? t("footer.saved") : t("footer.served"));
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** Changes a setting and draws the page again, with the focus where it was. @param {() => void} change */
function chosen(change) {
  const label = document.activeElement?.textContent;
  change();
  render();
  const again = [...document.querySelectorAll(".settings button")].find((each) => each.textContent === label);
  /** @type {HTMLElement | undefined} */ (again)?.focus();
}

/** Turns light to dark, and back. */
function turn() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  keep("theme", root.dataset.theme);
}

/** Opens a model of the service. @param {string} name */
async function open(name) {
  state.house = new House(await json(`/models/${encodeURIComponent(name)}`));
  state.picture = state.pass = state.unit = null;
}

/** Opens another model, or says why it cannot be opened; the focus stays on the choice. @param {string} name */
async function change(name) {
  view?.gone?.();
  view = null;
  fill(/** @type {HTMLElement} */ (document.getElementById("main")), h("p", { class: "notice", role: "status" }, t("model.opening", { name })));
  const problem = await open(name).catch((error) => error);
  render();
  if (problem) document.getElementById("main")?.prepend(h("p", { class: "error", role: "alert" }, problem.message === OFFLINE ? t("offline") : problem.message));
  /** @type {HTMLElement | null} */ (document.querySelector("select.model"))?.focus();
}

/** What the page shows: what was saved in it, or what the service has. */
async function begin() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = kept("theme") ?? (dark ? "dark" : "light");
  speak(current());
  const inside = document.getElementById("saved");
  if (inside) {
    state.saved = JSON.parse(inside.textContent ?? "");
    state.house = new House(state.saved.model, state.saved);
    state.training = Boolean(state.saved.training);
  } else {
    const { models: names, training: followed } = await json("");
    state.names = names;
    state.training = followed;
    if (names.length) {
      fill(/** @type {HTMLElement} */ (document.getElementById("page")), h("main", {}, h("p", { class: "notice", role: "status" }, t("model.opening", { name: names[0] }))));
      await open(names[0]);
    }
  }
  render();
}

/** Asks for the token of a service that wants one, and begins again. */
function ask() {
  const wrong = identified();
  const field = h("input", { type: "password", autocomplete: "current-password", "aria-invalid": wrong ? "true" : null, "aria-describedby": wrong ? "wrong" : null });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    identify(field.value);
    start();
  };
  const form = h("form", { class: "choose", onsubmit: submit }, h("label", {}, t("token"), field), h("button", { class: "primary" }, t("token.give")), wrong ? h("p", { id: "wrong", class: "error", role: "alert" }, t("token.wrong")) : null);
  fill(/** @type {HTMLElement} */ (document.getElementById("page")), h("main", {}, form));
  field.focus();
}

/** Begins, or says what keeps it from that. */
function start() {
  begin().catch((error) => {
    if (error instanceof ApiError && error.message === TOKEN) return ask();
    const text = error instanceof ApiError && error.message === OFFLINE ? t("offline") : String(error.message ?? error);
    fill(/** @type {HTMLElement} */ (document.getElementById("page")), h("main", {}, h("p", { class: "error", role: "alert" }, text)));
  });
}

/** Shows the view that the address names, with the focus on the field where it was, or else on the view. */
function turned() {
  const held = document.activeElement;
  const name = held?.getAttribute("name");
  render();
  const again = name ? document.querySelector(`main [name="${name}"]`) : null;
  /** @type {HTMLElement | null} */ (again ?? document.getElementById("main"))?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

window.addEventListener("hashchange", turned);
start();
