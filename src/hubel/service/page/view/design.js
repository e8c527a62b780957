/** The view in which a network is written: its table, totals, drawing and errors follow while it is typed. */

/** @import { Network, Step } from "../engine/types.js" */
import { json, OFFLINE, post } from "../api.js";
import { calm, fill, h, onWidth } from "../dom.js";
import { table } from "../ledger.js";
import { Picture } from "../picture.js";
import { sliders } from "../sliders.js";
import { state } from "../store.js";
import { totals } from "../totals.js";
import { studied } from "./studies.js";
import { t } from "../words/words.js";

const START = { notation: "conv(6, 5) >> relu >> maxpool(2) >> conv(16, 5) >> relu >> maxpool(2) >> fc(120) >> relu >> fc(10)", volume: "32x32x1" };
/** A model's notation up to this many characters is where a design starts. */
const MOST = 30_000;
const LAYER = /\b(conv|maxpool|avgpool|subsample)\(/g;

/** What the address says, what was written before, or the network that is shown. */
function start() {
  const query = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const notation = query.get("net");
  if (notation) return { notation, volume: query.get("input") ?? START.volume };
  if (state.design) return state.design;
  const model = state.house?.model;
  return model?.notation && model.notation.length < MOST ? { notation: model.notation, volume: model.network.volume.join("x") } : { ...START };
}

export function design() {
  if (state.saved) return studied();
  const given = start();
  const text = h("textarea", { id: "notation", spellcheck: "false", autocapitalize: "off", autocomplete: "off", rows: 6, "aria-describedby": "problem" });
  const volume = h("input", { id: "volume", value: given.volume, size: 11, spellcheck: "false" });
  const strict = h("input", { type: "checkbox", id: "strict" });
  const problem = h("pre", { id: "problem", class: "error", role: "alert", hidden: true });
  const stale = h("p", { class: "notice", role: "status", hidden: true }, t("design.stale"));
  const sums = h("div", {});
  const stage = h("div", { class: "stage scroll" });
  const rows = h("div", { class: "below" });
  const tools = h("div", { class: "panel" });
  const said = h("span", { class: "quiet", role: "status" });
  text.value = given.notation;
  /** @type {Picture | null} */
  let picture = null;
  /** @type {AbortController | null} */
  let asking = null;

  /** The layer with a window that the caret is in: its place in the text. @returns {[number, number] | null} */
  function layerAtCaret() {
    for (const found of text.value.matchAll(LAYER)) {
      const end = closing(text.value, found.index + found[0].length);
      if (text.selectionStart >= found.index && text.selectionStart <= end) return [found.index, end];
    }
    return null;
  }

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const caret = layerAtCaret();
    try {
      const found = await post("/design", { notation: text.value, volume: volume.value, strict: strict.checked, caret }, asking.signal);
      problem.hidden = !found.error;
      problem.textContent = found.error;
      text.setAttribute("aria-invalid", found.error ? "true" : "false");
      element.classList.toggle("broken", Boolean(found.error && found.network));
      stale.hidden = !found.error || Boolean(found.network) || !picture;
      if (found.network) draw(found.network, found.at);
      edit(found.network, found.at, caret);
      state.design = { notation: text.value, volume: volume.value };
    } catch (error) {
      if (error instanceof DOMException) return;
      problem.hidden = false;
      const said = error instanceof Error ? error.message : String(error);
      problem.textContent = said === OFFLINE ? t("offline") : said;
      stale.hidden = !picture;
    }
  }

  /** @param {Network} network @param {number | null} at */
  function draw(network, at) {
    fill(sums, totals(network));
    if (picture) picture.take(network);
    else {
      picture = new Picture(network, { show: (steps) => mark(steps), press: () => {} });
      fill(stage, picture.element);
      picture.draw();
    }
    fill(rows, table(network, { enter: (step) => picture?.mark(step.path), chosen: at }));
  }

  /** @param {Step[]} steps */
  function mark(steps) {
    for (const row of rows.querySelectorAll("tr[data-path]")) row.classList.toggle("marked", steps.some((step) => step.path === row.getAttribute("data-path")));
  }

  /** The sliders of the layer at the caret, or of a window on its own. @param {Network | null} network @param {number | null} at @param {[number, number] | null} caret */
  function edit(network, at, caret) {
    if (tools.contains(document.activeElement) && tools.dataset.own === "yes") return;
    if (at === null && caret && tools.dataset.at === String(caret[0])) return; // the layer does not fit: its sliders mend that
    tools.dataset.at = at === null || !caret ? "" : String(caret[0]);
    const step = at === null || !network ? null : network.steps[at];
    const words = caret ? text.value.slice(...caret) : "";
    const change = (/** @type {Record<string, number>} */ wanted) => {
      const place = layerAtCaret();
      if (!place) return;
      const changed = rewritten(text.value.slice(...place), wanted);
      const [from] = place;
      text.setRangeText(changed, place[0], place[1], "preserve");
      text.setSelectionRange(from + 1, from + 1);
      void ask();
    };
    tools.dataset.own = step ? "" : "yes";
    if (step && tools.dataset.of === step.path && tools.contains(document.activeElement)) return refresh?.(step);
    tools.dataset.of = step?.path ?? "";
    const made = sliders(step, words, step ? change : null, t("slider.free"));
    refresh = made.refresh;
    fill(tools, made.element);
  }
  /** @type {((step: Step) => void) | null} */
  let refresh = null;

  const soon = calm(8, () => void ask());
  const copied = async (/** @type {string} */ content) => {
    await navigator.clipboard.writeText(content).catch(() => undefined);
    said.textContent = t("copied");
    setTimeout(() => (said.textContent = ""), 2000);
  };
  const link = () => `${location.href.split("#")[0]}#/design?${new URLSearchParams({ net: text.value, input: volume.value })}`;
  const program = () =>
    `import hubel\n\nnet = hubel.parse("""\n${text.value.trim()}\n""")\nprint(hubel.table(net, "${volume.value}"))\n`;
  const zoo = h("select", { id: "zoo", onchange: () => take(zoo.value) }, h("option", { value: "" }, t("design.zoo")));
  json("/zoo")
    .then((/** @type {any[]} */ found) => zoo.append(...found.map((each) => h("option", { value: each.name }, `${each.name} · ${each.year}`))))
    .catch(() => undefined);
  /** @param {string} name */
  async function take(name) {
    if (!name) return;
    const found = await json(`/zoo/${encodeURIComponent(name)}`);
    text.value = found.notation;
    volume.value = found.volume;
    text.setSelectionRange(0, 0);
    await ask();
  }
  for (const event of ["input", "keyup", "click"]) text.addEventListener(event, soon);
  volume.addEventListener("input", soon);
  strict.addEventListener("change", soon);

  const element = h(
    "section",
    { class: "design", "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("design.title")),
    h("p", { class: "lead" }, t("design.lead")),
    h(
      "div",
      { class: "bar" },
      h("label", { for: "zoo", class: "unseen" }, t("design.zoo")),
      zoo,
      h("label", { for: "volume" }, t("figure.input"), " "),
      volume,
      h("label", { for: "strict" }, strict, " ", t("design.strict")),
      h(
        "span",
        { class: "buttons" },
        h("button", { type: "button", onclick: () => copied(text.value) }, t("copy.text")),
        h("button", { type: "button", onclick: () => copied(program()) }, t("copy.python")),
        h("button", { type: "button", onclick: () => copied(link()) }, t("copy.link")),
        said,
      ),
    ),
    h("label", { for: "notation", class: "unseen" }, t("notation")),
    text,
    problem,
    stale,
    h("div", { class: "result" }, sums, stage),
    h("h2", {}, t("design.layer")),
    tools,
    h("h2", {}, t("ledger")),
    rows,
  );
  const watch = onWidth(stage, () => picture?.draw());
  return {
    element,
    shown: () => {
      watch.observe(stage);
      void ask();
    },
    gone: () => watch.disconnect(),
  };
}

/** The place after the parenthesis that closes one before `from`. @param {string} text @param {number} from */
function closing(text, from) {
  let open = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "(") open += 1;
    if (text[at] === ")") open -= 1;
    if (!open) return at + 1;
  }
  return text.length;
}

/** The names of a layer's arguments by their place. @type {Record<string, string[]>} */
const PLACES = {
  conv: ["filters", "size", "stride", "pad", "groups", "bias", "dilation", "links"],
  maxpool: ["size", "stride", "pad", "ceil"],
  avgpool: ["size", "stride", "pad", "ceil", "count_pad"],
  subsample: ["size"],
};

/** A layer's text with other arguments. Those that are usual are left out. @param {string} words @param {Record<string, number>} wanted */
export function rewritten(words, wanted) {
  const name = words.slice(0, words.indexOf("("));
  const given = split(words.slice(name.length + 1, -1));
  const places = PLACES[name];
  for (const [key, value] of Object.entries(wanted)) {
    if (!places.includes(key)) continue;
    const named = given.findIndex((each) => new RegExp(`^${key}\\s*=`).test(each));
    const place = places.indexOf(key);
    const bare = place < given.length && !/^\w+\s*=/.test(given[place]);
    const usual = (key === "stride" && value === (name === "conv" ? 1 : wanted.size)) || (key === "pad" && value === 0);
    if (bare) given[place] = String(value);
    else if (named >= 0 && usual) given.splice(named, 1);
    else if (named >= 0) given[named] = `${key}=${value}`;
    else if (!usual) given.push(`${key}=${value}`);
  }
  return `${name}(${given.join(", ")})`;
}

/** Arguments, split at the commas between them. @param {string} text */
function split(text) {
  const found = [];
  let depth = 0;
  let last = "";
  for (const letter of text) {
    if (letter === "," && !depth) {
      found.push(last.trim());
      last = "";
      continue;
    }
    if ("([".includes(letter)) depth += 1;
    if (")]".includes(letter)) depth -= 1;
    last += letter;
  }
  if (last.trim()) found.push(last.trim());
  return found;
}
