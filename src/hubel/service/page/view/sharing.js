/** Weight sharing in words: what all cells of a map share, and how many they are. */

/** @import { Neuron, Step } from "../engine/types.js" */
import { pair } from "../engine/convolution.js";
import { count } from "../format.js";
import { t } from "../words/words.js";

/** The numbers of a unit that the whole map has learned, by kind of layer. @type {Record<string, string[]>} */
const LEARNED = { subsample: ["coefficient", "bias"], batchnorm: ["scale", "shift"], layernorm: ["scale", "shift"], groupnorm: ["scale", "shift"], layerscale: ["scale"], prelu: ["slope"] };

/**
 * What all cells of a map share, as a sentence: "784 cells share these 25 weights and 1 bias."
 * It is empty where a map has one cell, or the layer has learned nothing for a map.
 * @param {Step} step @param {Neuron} found
 */
export function sharedBy(step, found) {
  const [height, width, depth] = step.output;
  const every = height * width * (step.kind === "prelu" && step.arguments.shared ? depth : 1);
  if (every === 1) return "";
  const what = learned(step, found);
  return what && t("sharing.same", { n: count(every), what });
}

/** What a layer has learned for one map: "25 weights and 1 bias". @param {Step} step @param {Neuron} found */
function learned(step, found) {
  const [tall, wide] = pair(step.arguments.size);
  const area = tall * wide;
  if (step.kind === "conv") return weightsText(found.taken[0].maps.length * area, found.parts.bias !== undefined);
  if (step.kind === "convtranspose") return weightsText((step.inputs[0][2] / step.arguments.groups) * area, found.parts.bias !== undefined);
  const names = (LEARNED[step.kind] ?? []).map((name) => t("sharing.one", { name: t(`part.${name}`) }));
  return names.length > 1 ? t("sharing.and", { one: names[0], other: names[1] }) : names.join("");
}

/** Weights, with a bias or without one. @param {number} weights @param {boolean} bias */
export function weightsText(weights, bias) {
  const text = weights === 1 ? t("sharing.weight") : t("sharing.weights", { n: count(weights) });
  return bias ? t("sharing.and", { one: text, other: t("sharing.bias") }) : text;
}
