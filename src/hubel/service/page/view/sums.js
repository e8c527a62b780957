/** The arithmetic of one unit, written out: the terms, what they add up to, and the rule of its layer. */

/** @import { Neuron, Step, Taken } from "../engine/types.js" */
import { css, ramp } from "../colour.js";
import { h, s } from "../dom.js";
import { ACTIVATIONS } from "../engine/activations.js";
import { grid, largest } from "../grid.js";
import { count, number } from "../format.js";
import { t } from "../words/words.js";

const DIGITS = 4;
const LISTED = 12;

/** @param {number | null} value */
function n(value) {
  return number(value, DIGITS);
}

/** A number that follows a plus sign, in parentheses where it is negative. @param {number} value */
function signed(value) {
  return value < 0 ? `(${n(value)})` : n(value);
}

/** The products of a map of a window, added up. @param {Taken} taken @param {number} at */
export function partial(taken, at) {
  return /** @type {number[][][]} */ (taken.products)[at].flat().reduce((sum, each) => sum + each, 0);
}

/**
 * The arithmetic of a unit. `map` is the map of the window that is written out, `choose` chooses another.
 * @param {Neuron} found @param {Step} step @param {number} map @param {(at: number) => void} choose
 * @param {(path: string, channel: number, row: number, column: number) => any} link
 */
export function arithmetic(found, step, map, choose, link) {
  const [taken] = found.taken;
  if (!taken) return h("p", {}, t("unit.zeros"));
  if (taken.weights) return weighted(found, taken, map, choose, step);
  const rule = RULES[step.kind] ?? activation;
  return rule(found, taken, step, link);
}

/** Window times weights, added up over the maps, and the bias. @param {Neuron} found @param {Taken} taken @param {number} map @param {(at: number) => void} choose @param {Step} step */
function weighted(found, taken, map, choose, step) {
  const single = taken.rows.length === 1 && taken.columns.length === 1;
  const sums = taken.maps.map((_, at) => partial(taken, at));
  const distance = step.kind === "rbf";
  return h(
    "div",
    { class: "arithmetic" },
    single
      ? contributions(taken, sums)
      : [
          h(
            "div",
            { class: "product" },
            grid(t("window.of", { source: taken.source, map: taken.maps[map] }), taken.values[map], largest(taken.values), { inside: taken.inside }),
            h("span", { class: "sign" }, distance ? "−" : "×"),
            grid(t(distance ? "codes" : "weights.of", { map: taken.maps[map] }), /** @type {number[][][]} */ (taken.weights)[map], largest(taken.weights)),
            h("span", { class: "sign" }, distance ? "→" : "="),
            grid(t(distance ? "distances" : "products"), /** @type {number[][][]} */ (taken.products)[map], largest(taken.products)),
            h("span", { class: "sign" }, "Σ"),
            h("output", { class: "subtotal" }, n(sums[map])),
          ),
          taken.maps.length > 1 ? depths(taken, sums, map, choose) : null,
        ],
    total(found, taken, sums, distance),
  );
}

/** The partial sums of the maps, of which one can be chosen. @param {Taken} taken @param {number[]} sums @param {number} map @param {(at: number) => void} choose */
function depths(taken, sums, map, choose) {
  const most = largest(sums);
  const table = ramp();
  return h(
    "div",
    {},
    h("h3", {}, t("depth.title", { n: taken.maps.length })),
    h(
      "div",
      { class: "depths", role: "group", "aria-label": t("depth.title", { n: taken.maps.length }) },
      sums.map((sum, at) =>
        h(
          "button",
          { type: "button", class: "depth", "aria-pressed": at === map ? "true" : "false", onclick: () => choose(at), "aria-label": t("depth.map", { map: taken.maps[at], sum: n(sum) }) },
          h("i", { style: { background: css(most ? sum / most : 0, table) } }),
          h("span", { class: "quiet" }, taken.maps[at]),
          h("span", {}, number(sum, 3)),
        ),
      ),
    ),
  );
}

/** The largest products of a window of single values. @param {Taken} taken @param {number[]} sums */
function contributions(taken, sums) {
  const order = sums.map((_, at) => at).sort((a, b) => Math.abs(sums[b]) - Math.abs(sums[a]));
  const rest = order.slice(LISTED).reduce((sum, at) => sum + sums[at], 0);
  const most = largest(sums);
  const table = ramp();
  return h(
    "table",
    { class: "terms" },
    h("thead", {}, h("tr", {}, ["term.input", "term.value", "term.weight", "term.product"].map((key, at) => h("th", { scope: "col", class: at ? "n" : "" }, t(key))), h("th", { "aria-hidden": "true" }))),
    h(
      "tbody",
      {},
      order.slice(0, LISTED).map((at) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, `${taken.source}[${taken.maps[at]}]`),
          h("td", { class: "n" }, n(taken.values[at][0][0])),
          h("td", { class: "n" }, n(/** @type {number[][][]} */ (taken.weights)[at][0][0])),
          h("td", { class: "n" }, n(sums[at])),
          h("td", {}, h("i", { class: "term-bar", style: { width: `${most ? (90 * Math.abs(sums[at])) / most : 0}px`, background: css(sums[at] < 0 ? -0.9 : 0.9, table) } })),
        ),
      ),
      order.length > LISTED
        ? h("tr", {}, h("th", { scope: "row" }, t("term.rest", { n: order.length - LISTED })), h("td"), h("td"), h("td", { class: "n" }, n(rest)), h("td"))
        : null,
    ),
  );
}

/** The last line: the sums of the maps, the bias, the value. @param {Neuron} found @param {Taken} taken @param {number[]} sums @param {boolean} distance */
function total(found, taken, sums, distance) {
  const terms = sums.length <= 6 ? sums.map((sum, at) => (at ? signed(sum) : n(sum))).join(" + ") : t("sum.of", { n: sums.length });
  const { sum, bias } = found.parts;
  const made = taken.maps.length * taken.rows.length * taken.columns.length;
  return h(
    "p",
    { class: "total" },
    h("span", { class: "quiet" }, t(distance ? "total.distance" : "total.products", { n: made })),
    h("span", {}, sums.length > 1 ? `${terms} = ` : "", h("b", {}, n(sum))),
    bias === undefined ? null : h("span", {}, ` + ${t("bias")} ${signed(bias)}`),
    h("span", {}, " = ", h("b", { class: "result" }, n(found.value))),
  );
}

/** @param {any[]} content */
function line(...content) {
  return h("p", { class: "total" }, content);
}

/** A number with what it is. @param {string} name @param {number | null} value */
function named(name, value) {
  return h("span", { class: "named" }, h("small", {}, t(`part.${name}`)), h("b", {}, name === "count" && value !== null ? count(value) : n(value)));
}

/** @typedef {(found: Neuron, taken: Taken, step: Step, link: (path: string, channel: number, row: number, column: number) => any) => any} Rule */

/** @type {Rule} */
function maxpool(found, taken, _step, link) {
  const [values] = taken.values;
  let won = /** @type {[number, number]} */ ([0, 0]);
  values.forEach((row, y) => row.forEach((value, x) => {
    if (value !== null && value > (values[won[0]][won[1]] ?? -Infinity)) won = [y, x];
  }));
  const at = /** @type {const} */ ([taken.source, taken.maps[0], taken.rows[won[0]], taken.columns[won[1]]]);
  return h(
    "div",
    { class: "arithmetic" },
    h("div", { class: "product" }, grid(t("window.of", { source: taken.source, map: taken.maps[0] }), values, largest(values), { inside: taken.inside, won }), h("span", { class: "sign" }, "max"), h("output", { class: "subtotal" }, n(found.value))),
    line(t("pool.won"), " ", link(...at)),
  );
}

/** @type {Rule} */
function mean(found, taken) {
  const { sum, count: values } = found.parts;
  return h(
    "div",
    { class: "arithmetic" },
    h("div", { class: "product" }, grid(t("window.of", { source: taken.source, map: taken.maps[0] }), taken.values[0], largest(taken.values), { inside: taken.inside })),
    line(named("sum", sum), " / ", named("count", values), " = ", h("b", { class: "result" }, n(found.value))),
  );
}

/** @type {Rule} */
function subsample(found, taken) {
  const { sum, coefficient, bias } = found.parts;
  return h(
    "div",
    { class: "arithmetic" },
    h("div", { class: "product" }, grid(t("window.of", { source: taken.source, map: taken.maps[0] }), taken.values[0], largest(taken.values))),
    line(named("coefficient", coefficient), " · ", named("sum", sum), " + ", named("bias", bias), " = ", h("b", { class: "result" }, n(found.value))),
  );
}

/** @type {Rule} */
function batchnorm(found) {
  const { input, mean, variance, eps, scale, shift } = found.parts;
  return h(
    "div",
    { class: "arithmetic" },
    line("(", named("input", input), " − ", named("mean", mean), ") / √(", named("variance", variance), " + ", h("span", { class: "named" }, h("small", {}, "ε"), h("b", {}, String(eps))), ") · ", named("scale", scale), " + ", named("shift", shift), " = ", h("b", { class: "result" }, n(found.value))),
    h("p", { class: "quiet" }, t("batchnorm.note")),
  );
}

/** Layer and group normalisation: mean and variance are those of the values taken. @type {Rule} */
function standardised(found, taken, step, link) {
  const values = taken.maps.length * taken.rows.length * taken.columns.length;
  const made = batchnorm(found, taken, step, link);
  made.lastChild.replaceWith(h("p", { class: "quiet" }, t("norm.note", { n: values })));
  return made;
}

/** @type {Rule} */
function layerscale(found) {
  const { input, scale } = found.parts;
  return h("div", { class: "arithmetic" }, line(named("input", input), " · ", named("scale", scale), " = ", h("b", { class: "result" }, n(found.value))));
}

/** @type {Rule} */
function prelu(found) {
  const { input, slope } = found.parts;
  return h("div", { class: "arithmetic" }, line(`max(0, ${n(input)}) + `, named("slope", slope), ` · min(0, ${n(input)}) = `, h("b", { class: "result" }, n(found.value))));
}

/** @type {Rule} */
function multiply(found, _taken, _step, link) {
  return h(
    "div",
    { class: "arithmetic" },
    line(
      found.taken.map((each, at) => [at ? " · " : "", h("span", { class: "named" }, h("small", {}, link(each.source, each.maps[0], each.rows[0], each.columns[0])), h("b", {}, n(each.values[0][0][0])))]),
      " = ",
      h("b", { class: "result" }, n(found.value)),
    ),
  );
}

/** @type {Rule} */
function lrn(found, taken, step) {
  const { input, k, alpha, sum, beta } = found.parts;
  const { maps } = taken;
  return h(
    "div",
    { class: "arithmetic" },
    line(named("input", input), " / (", named("k", k), " + ", h("span", { class: "named" }, h("small", {}, "α"), h("b", {}, String(alpha))), " · ", named("squares", sum), ")", h("sup", {}, String(beta)), " = ", h("b", { class: "result" }, n(found.value))),
    step.arguments.within ? null : h("p", { class: "quiet" }, t("lrn.maps", { first: maps[0], last: maps[maps.length - 1] })),
  );
}

/** @type {Rule} */
function softmax(found) {
  const { input, largest: most, sum } = found.parts;
  return h(
    "div",
    { class: "arithmetic" },
    line("exp(", named("input", input), " − ", named("largest", most), ") / ", named("powers", sum), " = ", h("b", { class: "result" }, n(found.value))),
  );
}

/** @type {Rule} */
function add(found, _taken, _step, link) {
  return h(
    "div",
    { class: "arithmetic" },
    line(
      found.taken.map((each, at) => [at ? " + " : "", h("span", { class: "named" }, h("small", {}, link(each.source, each.maps[0], each.rows[0], each.columns[0])), h("b", {}, n(each.values[0][0][0])))]),
      " = ",
      h("b", { class: "result" }, n(found.value)),
    ),
  );
}

/** @type {Rule} */
function same(found, taken, _step, link) {
  return h("div", { class: "arithmetic" }, line(link(taken.source, taken.maps[0], taken.rows[0], taken.columns[0]), " = ", h("b", { class: "result" }, n(found.value))));
}

/** @type {Rule} */
function activation(found, _taken, step) {
  const { input } = found.parts;
  return h(
    "div",
    { class: "arithmetic" },
    line(`${formula(step, input)} = `, h("b", { class: "result" }, n(found.value))),
    curve(step, input, found.value),
  );
}

/** An activation written out for its input. @param {Step} step @param {number} input */
function formula({ kind, arguments: given }, input) {
  const [x, minus] = [n(input), n(-input)];
  switch (kind) {
    case "relu":
      return given.limit === null ? `max(0, ${x})` : `min(${given.limit}, max(0, ${x}))`;
    case "tanh":
      return given.amplitude === 1 && given.slope === 1 ? `tanh(${x})` : `${given.amplitude} · tanh(${n(given.slope)} · ${x})`;
    case "sigmoid":
      return `1 / (1 + exp(${minus}))`;
    case "silu":
      return `${x} / (1 + exp(${minus}))`;
    case "gelu":
      return given.tanh ? `${x} / 2 · (1 + tanh(0.79788 · (${x} + 0.044715 · ${x} · ${x} · ${x})))` : `${x} · Φ(${x})`;
    case "softplus":
      return `ln(1 + exp(${x}))`;
    case "mish":
      return `${x} · tanh(ln(1 + exp(${x})))`;
    case "hardsigmoid":
      return `min(6, max(0, ${x} + 3)) / 6`;
    case "hardswish":
      return `${x} · min(6, max(0, ${x} + 3)) / 6`;
    case "leakyrelu":
      return `max(0, ${x}) + ${given.slope} · min(0, ${x})`;
    case "elu":
      return `max(0, ${x}) + ${given.alpha} · (exp(min(0, ${x})) − 1)`;
    default:
      return `${kind}(${x})`;
  }
}

/** The graph of an activation with the unit's point on it. @param {Step} step @param {number} input @param {number} value */
function curve(step, input, value) {
  const rule = ACTIVATIONS[step.kind];
  if (!rule) return null;
  const shape = (/** @type {number} */ x) => rule(x, step.arguments);
  const reach = Math.max(3, 1.15 * Math.abs(input));
  const xs = Array.from({ length: 121 }, (_, at) => (at / 60 - 1) * reach);
  const most = Math.max(1, ...xs.map((x) => Math.abs(shape(x))));
  const [X, Y] = [(/** @type {number} */ x) => 110 + (100 * x) / reach, (/** @type {number} */ y) => 70 - (58 * y) / most];
  return s(
    "svg",
    { class: "curve", viewBox: "0 0 220 140", width: 220, height: 140, "aria-hidden": "true" },
    s("path", { class: "axis", d: `M 6 ${Y(0)} H 214 M ${X(0)} 6 V 134` }),
    s("path", { class: "function", d: xs.map((x, at) => `${at ? "L" : "M"} ${X(x).toFixed(1)} ${Y(shape(x)).toFixed(1)}`).join(" ") }),
    s("path", { class: "drop", d: `M ${X(input)} ${Y(0)} V ${Y(value)} H ${X(0)}` }),
    s("circle", { class: "here", cx: X(input), cy: Y(value), r: 4.5 }),
  );
}

/** @type {Record<string, Rule>} */
const RULES = {
  maxpool,
  avgpool: mean,
  globalavgpool: mean,
  adaptiveavgpool: mean,
  subsample,
  batchnorm,
  layernorm: standardised,
  groupnorm: standardised,
  layerscale,
  prelu,
  lrn,
  softmax,
  add,
  multiply,
  concat: same,
  part: same,
  shuffle: same,
  upsample: same,
  padshortcut: same,
  dropout: same,
  droppath: same,
  identity: same,
};
