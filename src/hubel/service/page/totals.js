/** The totals of a network in a row of figures. */

/** @import { Network } from "./engine/types.js" */
import { h } from "./dom.js";
import { bytes, count, short, size } from "./format.js";
import { t } from "./words/words.js";

/** @param {Network} network */
export function totals(network) {
  const { params, macs, param_bytes, inference_peak_bytes, training_state_bytes, backward_bytes } = network.totals;
  const last = network.steps[network.steps.length - 1];
  const figures = [
    ["figure.input", size(network.volume), ""],
    ["figure.layers", count(network.steps.length), t("figure.layers.note")],
    ["figure.params", short(params), count(params)],
    ["figure.macs", short(macs), count(macs)],
    ["figure.weights", bytes(param_bytes), ""],
    ["figure.peak", bytes(inference_peak_bytes), ""],
    ["figure.training", bytes(training_state_bytes), t("figure.training.note")],
    ["figure.kept", bytes(backward_bytes), t("figure.kept.note")],
    ["figure.output", last ? size(last.output) : "—", ""],
  ];
  return h(
    "dl",
    { class: "figures" },
    figures.map(([name, value, title]) => h("div", { title: title || null }, h("dt", {}, t(name)), h("dd", {}, value))),
  );
}
