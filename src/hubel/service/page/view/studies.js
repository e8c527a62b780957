/** The design view of a saved page, which reads no notation: networks of the papers, and the window of each layer. */

/** @import { Network, Step } from "../engine/types.js" */
import { fill, h, onWidth } from "../dom.js";
import { table } from "../ledger.js";
import { bytesOf } from "../network.js";
import { Picture } from "../picture.js";
import { sliders } from "../sliders.js";
import { state } from "../store.js";
import { totals } from "../totals.js";
import { t } from "../words/words.js";

/** Layers whose window can be tried. */
const WINDOWS = new Set(["conv", "maxpool", "avgpool", "subsample"]);

/** @typedef {{notation: string, network: Network}} Study */

/** The networks that the page has: its own, and those of the papers once they are unpacked. @returns {Promise<Map<string, Study>>} */
async function studies() {
  const { model } = /** @type {import("../network.js").House} */ (state.house);
  const packed = new Blob([bytesOf(state.saved.studies)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Map([[model.name, model], ...Object.entries(await new Response(packed).json())]);
}

export function studied() {
  const choose = h("select", { id: "zoo", onchange: () => show(choose.value) });
  const layer = h("select", { id: "layer", onchange: () => edit(layer.value) });
  const sums = h("div", {});
  const stage = h("div", { class: "stage scroll" });
  const rows = h("div", { class: "below" });
  const tools = h("div", { class: "panel" });
  const notation = h("pre", { tabindex: 0 });
  /** @type {Map<string, Study>} */
  let known = new Map();
  /** @type {Picture | null} */
  let picture = null;
  /** @type {Map<string, Step>} */
  let windows = new Map();

  /** @param {string} name */
  function show(name) {
    const { network, notation: text } = /** @type {Study} */ (known.get(name));
    windows = new Map(network.steps.filter((step) => WINDOWS.has(step.kind)).map((step) => [step.path, step]));
    fill(sums, totals(network));
    fill(notation, text);
    if (picture) picture.take(network);
    else {
      picture = new Picture(network, { show: mark, press: (steps) => steps.forEach((step) => edit(step.path, true)) });
      fill(stage, picture.element);
      picture.draw();
    }
    fill(rows, table(network, { enter: (step) => picture?.mark(step.path), press: (step) => edit(step.path, true) }));
    fill(layer, h("option", { value: "" }, t("studies.free")), [...windows.keys()].map((path) => h("option", { value: path }, path)));
    edit("");
  }

  /** @param {Step[]} steps */
  function mark(steps) {
    for (const row of rows.querySelectorAll("tr[data-path]")) row.classList.toggle("marked", steps.some((step) => step.path === row.getAttribute("data-path")));
  }

  /** The sliders of a layer with a window, or of a window on its own. @param {string} path @param {boolean} go whether to show them */
  function edit(path, go = false) {
    const step = windows.get(path) ?? null;
    if (go && !step) return;
    layer.value = step ? path : "";
    fill(tools, sliders(step, step?.layer ?? "", null).element);
    if (go) tools.scrollIntoView({ block: "nearest" });
  }

  const element = h(
    "section",
    { class: "design", "aria-labelledby": "title" },
    h("h1", { id: "title" }, t("studies.title")),
    h("p", { class: "lead" }, t("studies.lead")),
    h("p", { class: "notice" }, t("studies.server")),
    h("div", { class: "bar" }, h("label", { for: "zoo" }, t("studies.network"), " "), choose),
    sums,
    stage,
    h("h2", {}, t("design.layer")),
    h("div", { class: "bar" }, h("label", { for: "layer" }, t("field.layer"), " "), layer),
    tools,
    h("h2", {}, t("ledger")),
    rows,
    h("details", {}, h("summary", {}, t("notation")), notation),
  );
  const watch = onWidth(stage, () => picture?.draw());
  return {
    element,
    shown: () => {
      void studies().then((found) => {
        known = found;
        fill(choose, [...found.keys()].map((name) => h("option", { value: name }, name)));
        show(choose.value);
        watch.observe(stage);
      });
    },
    gone: () => watch.disconnect(),
  };
}
