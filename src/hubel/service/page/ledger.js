/** The ledger of a network as a table, and the row of one layer with its formulas. */

/** @import { Network, Step } from "./engine/types.js" */
import { h } from "./dom.js";
import { count, size } from "./format.js";
import { t } from "./words/words.js";

/** The number of parameters as it follows from the layer, where there is a formula. @param {Step} step */
function paramsFormula(step) {
  if (!step.params) return "";
  const { rows, columns } = step.window;
  const depth = step.inputs[0][2];
  const given = step.arguments;
  if (step.kind === "conv" && !given.links) {
    const kernel = `${rows.size}·${columns.size}·${depth / given.groups}`;
    return `${given.bias ? `(${kernel}+1)` : kernel}·${given.filters}`;
  }
  if (step.kind === "fc") {
    const inputs = step.inputs[0][0] * step.inputs[0][1] * depth;
    return `${given.bias ? `(${inputs}+1)` : inputs}·${given.units}`;
  }
  return step.kind === "batchnorm" || step.kind === "subsample" ? `2·${depth}` : "";
}

/** The MACs as they follow from the layer. @param {Step} step */
function macsFormula(step) {
  if (!step.macs) return "";
  const { rows, columns } = step.window;
  const [height, width, depth] = step.output;
  if (step.kind === "conv" && !step.arguments.links)
    return `${height}·${width}·${depth} × ${rows.size}·${columns.size}·${step.inputs[0][2] / step.arguments.groups}`;
  if (step.kind === "fc") return `${step.inputs[0].join("·")} × ${depth}`;
  return "";
}

/** @param {number | null} value @param {string} formula */
function figure(value, formula) {
  if (value === null) return "?";
  return formula ? [`${formula} = `, h("b", {}, count(value))] : h("b", {}, count(value));
}

/** The rows of some layers, with formulas. @param {Step[]} steps */
export function card(steps) {
  return h(
    "div",
    { class: "card rows" },
    steps.map((step) =>
      h(
        "dl",
        { class: "row" },
        h("div", { class: "row-name" }, h("dt", {}, step.path), h("dd", { class: "code" }, step.layer)),
        entry("volume", [`${step.inputs.map(size).join(" , ")} → `, h("b", {}, size(step.output))]),
        entry("size", step.formula || "—"),
        entry("params", figure(step.params, paramsFormula(step))),
        entry("macs", figure(step.macs, macsFormula(step))),
        entry("sees", [h("b", {}, `${step.field.size[0]}×${step.field.size[1]}`), ` ${t("pixels")}`]),
        step.note ? entry("note", step.note) : null,
      ),
    ),
  );
}

/** @param {string} name @param {any} content */
function entry(name, content) {
  return h("div", {}, h("dt", {}, t(`column.${name}`)), h("dd", {}, content));
}

/**
 * The whole table.
 * @param {Network} network
 * @param {{enter?: (step: Step) => void, press?: (step: Step) => void, chosen?: number | null}} act
 */
export function table(network, act = {}) {
  const columns = ["path", "layer", "size", "output", "params", "macs", "sees"];
  const numbers = new Set(["params", "macs", "sees"]);
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": t("ledger") },
    h(
      "table",
      { class: "ledger" },
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col", class: numbers.has(name) ? "n" : "" }, t(`column.${name}`))))),
      h(
        "tbody",
        {},
        h("tr", {}, h("th", { scope: "row" }, "input"), h("td"), h("td"), h("td", {}, size(network.volume)), h("td"), h("td"), h("td", { class: "n" }, "1")),
        network.steps.map((step, at) =>
          h(
            "tr",
            {
              class: at === act.chosen ? "chosen" : step.side ? "aside" : "",
              "data-path": step.path,
              onmouseenter: () => act.enter?.(step),
              onclick: act.press ? () => act.press?.(step) : null,
            },
            h("th", { scope: "row" }, step.path),
            h("td", { class: "code" }, step.layer),
            h("td", { class: step.note ? "noted" : "", title: step.note || null }, step.formula),
            h("td", {}, size(step.output)),
            h("td", { class: "n" }, step.params ? count(step.params) : h("span", { class: "zero" }, "0")),
            h("td", { class: "n" }, step.macs === null ? "?" : step.macs ? count(step.macs) : h("span", { class: "zero" }, "0")),
            h("td", { class: "n" }, step.field.size[0] === step.field.size[1] ? step.field.size[0] : step.field.size.join("×")),
          ),
        ),
      ),
      h(
        "tfoot",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "row" }, t("total")),
          h("td", { colspan: 3 }),
          h("td", { class: "n" }, count(network.totals.params)),
          h("td", { class: "n" }, count(network.totals.macs)),
          h("td"),
        ),
      ),
    ),
  );
}
