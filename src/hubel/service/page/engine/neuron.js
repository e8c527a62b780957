/** The arithmetic of one unit, as `hubel look neuron --json` gives it: what it reads, the products, and their sum. */

/** @import { Network, Neuron, Step, Taken, Unit, Values, Weights } from "./types.js" */
import { ACTIVATIONS } from "./activations.js";
import { mapsOf, near, pair } from "./convolution.js";
import { neighbours } from "./norms.js";
import { padCounts } from "./pooling.js";
import { fieldOf, line, mapsBefore } from "./window.js";

/**
 * Computes one unit again, number by number.
 * @param {Network} network @param {Weights} weights @param {Values} values @param {Unit} unit
 * @returns {Neuron}
 */
export function neuron(network, weights, values, unit) {
  const step = network.steps.find((each) => each.path === unit.path);
  if (!step) throw new Error(`no layer ${unit.path}`);
  const sight = new Sight(step, weights, values, unit);
  const rule = RULES[step.kind] ?? activation;
  const [taken, parts, value] = rule(sight);
  const [, width] = step.output;
  const plane = step.output[0] * width;
  const own = /** @type {Float32Array} */ (values.get(step.path));
  return {
    unit: unitText(unit),
    layer: step.layer,
    box: taken.length ? fieldOf(network, unit) : null,
    taken,
    parts,
    value,
    computed: own[unit.channel * plane + unit.row * width + unit.column],
  };
}

/** @param {Unit} unit */
export function unitText({ path, channel, row, column }) {
  return `${path}[${channel},${row},${column}]`;
}

/** A layer's inputs and weights as one of its units uses them. */
class Sight {
  /** @param {Step} step @param {Weights} weights @param {Values} values @param {Unit} unit */
  constructor(step, weights, values, unit) {
    this.step = step;
    this.weights = weights;
    this.unit = unit;
    this.given = step.arguments;
    this.inputs = step.sources.map((source) => /** @type {Float32Array} */ (values.get(source)));
  }

  /** @param {string} name */
  tensor(name) {
    return this.weights.get(`${this.step.path}.${name}`);
  }

  /** The value for the unit's map in a tensor, or another one. @param {string} name @param {number} otherwise */
  own(name, otherwise) {
    return this.tensor(name)?.data[this.unit.channel] ?? otherwise;
  }

  /** The unit's window on some maps of the first input. @param {number[]} maps @param {number | null} fill @returns {Taken} */
  window(maps, fill = 0) {
    const { step, unit } = this;
    const [height, width] = step.inputs[0];
    const pools = step.kind === "maxpool" || step.kind === "avgpool";
    const rows = line(step.window.rows, unit.row, height, pools);
    const columns = line(step.window.columns, unit.column, width, pools);
    const inside = rows.map((row) => columns.map((column) => row >= 0 && row < height && column >= 0 && column < width));
    const values = maps.map((map) =>
      rows.map((row, y) =>
        columns.map((column, x) => (inside[y][x] ? this.inputs[0][(map * height + row) * width + column] : fill)),
      ),
    );
    return { source: step.sources[0], maps, rows, columns, inside, values, weights: null, products: null };
  }

  /** The values of some maps of one source at the unit's own position. @param {number[]} maps @param {number} source */
  here(maps, source = 0) {
    return this.at(maps, [this.unit.row], [this.unit.column], source);
  }

  /** The values of some maps of one source at some rows and columns. @param {number[]} maps @param {number[]} rows @param {number[]} columns @param {number} source @returns {Taken} */
  at(maps, rows, columns, source = 0) {
    const [height, width] = this.step.inputs[source];
    return {
      source: this.step.sources[source],
      maps,
      rows,
      columns,
      inside: rows.map(() => columns.map(() => true)),
      values: maps.map((map) => rows.map((row) => columns.map((column) => this.inputs[source][(map * height + row) * width + column]))),
      weights: null,
      products: null,
    };
  }
}

/** @typedef {[Taken[], Record<string, number>, number]} Found */

/** @param {Sight} sight @returns {Found} */
function conv(sight) {
  const { step, given, unit } = sight;
  const maps = mapsOf(given, step.inputs[0][2], unit.channel);
  const kernel = step.window.rows.size * step.window.columns.size;
  const kernels = given.links ? given.links.slice(0, unit.channel).reduce(count, 0) : unit.channel * maps.length;
  return weighted(sight, sight.window(maps), kernels * kernel);
}

/** @param {number} total @param {number[]} maps */
function count(total, maps) {
  return total + maps.length;
}

/** @param {Sight} sight @returns {Found} */
function fc(sight) {
  const taken = sight.window(range(sight.step.inputs[0][2]));
  return weighted(sight, taken, sight.unit.channel * sight.inputs[0].length);
}

/** @param {Sight} sight @param {Taken} taken @param {number} first the place of the first weight @returns {Found} */
function weighted(sight, taken, first) {
  const data = /** @type {Float32Array} */ (sight.tensor("weight")?.data);
  let at = first;
  taken.weights = deep(taken.values, () => data[at++]);
  return summed(sight, taken);
}

/** The products of values and weights, their sum, and the bias. @param {Sight} sight @param {Taken} taken @returns {Found} */
function summed(sight, taken) {
  taken.products = pairs(taken.values, /** @type {number[][][]} */ (taken.weights), (value, weight) => value * weight);
  /** @type {Record<string, number>} */
  const parts = { sum: total(taken.products) };
  if (sight.tensor("bias")) parts.bias = sight.own("bias", 0);
  return [[taken], parts, parts.sum + (parts.bias ?? 0)];
}

/** @param {Sight} sight @returns {Found} */
function rbf(sight) {
  const taken = sight.window(range(sight.step.inputs[0][2]));
  const codes = /** @type {Float32Array} */ (sight.tensor("codes")?.data);
  let at = sight.unit.channel * sight.inputs[0].length;
  taken.weights = deep(taken.values, () => codes[at++]);
  taken.products = pairs(taken.values, taken.weights, (value, code) => -((value - code) ** 2));
  const sum = total(taken.products);
  return [[taken], { sum }, sum];
}

/** @param {Sight} sight @returns {Found} */
function maxpool(sight) {
  const taken = sight.window([sight.unit.channel], null); // padding is never the largest
  const value = Math.max(...taken.values.flat(2).filter((each) => each !== null));
  return [[taken], { largest: value }, value];
}

/** @param {Sight} sight @returns {Found} */
function mean(sight) {
  const taken = sight.window([sight.unit.channel]);
  const sum = total(taken.values);
  const places = padCounts(sight.step) ? taken.rows.length * taken.columns.length : taken.inside.flat().filter(Boolean).length;
  return [[taken], { sum, count: places }, sum / places];
}

/** @param {Sight} sight @returns {Found} */
function subsample(sight) {
  const taken = sight.window([sight.unit.channel]);
  const parts = { sum: total(taken.values), coefficient: sight.own("weight", 1), bias: sight.own("bias", 0) };
  return [[taken], parts, parts.sum * parts.coefficient + parts.bias];
}

/** @param {Sight} sight @returns {Found} */
function padshortcut(sight) {
  if (sight.unit.channel >= sight.step.inputs[0][2]) return [[], {}, 0];
  return same(sight.window([sight.unit.channel]));
}

/** The inputs whose filters reach the unit, each with the weight that does. @param {Sight} sight @returns {Found} */
function convtranspose(sight) {
  const { step, given, unit } = sight;
  const each = step.inputs[0][2] / given.groups;
  const own = given.filters / given.groups;
  const group = Math.floor(unit.channel / own);
  const maps = range(each).map((at) => group * each + at);
  const [rows, columns] = [0, 1].map((axis) => reaching(sight, axis));
  const taken = sight.at(maps, rows.map(([at]) => at), columns.map(([at]) => at));
  const [tall, wide] = pair(given.size);
  const data = /** @type {Float32Array} */ (sight.tensor("weight")?.data);
  const first = (/** @type {number} */ map) => (map * own + (unit.channel % own)) * tall * wide;
  taken.weights = maps.map((map) => rows.map(([, y]) => columns.map(([, x]) => data[first(map) + y * wide + x])));
  return summed(sight, taken);
}

/** The inputs along an axis that reach the unit, and the place of the weight in the filter. @param {Sight} sight @param {number} axis @returns {[number, number][]} */
function reaching({ step, given, unit }, axis) {
  const [size, stride, pad, dilation] = [given.size, given.stride, given.pad, given.dilation].map((each) => pair(each)[axis]);
  const place = axis ? unit.column : unit.row;
  return range(step.inputs[0][axis])
    .map((at) => /** @type {[number, number]} */ ([at, (place + pad - at * stride) / dilation]))
    .filter(([, weight]) => Number.isInteger(weight) && weight >= 0 && weight < size);
}

/** @param {Sight} sight @returns {Found} */
function upsample(sight) {
  const { step, given, unit } = sight;
  const [down, across] = pair(given.factor);
  const rows = near(unit.row, step.inputs[0][0], down, given.mode);
  const columns = near(unit.column, step.inputs[0][1], across, given.mode);
  const taken = sight.at([unit.channel], [...rows.keys()], [...columns.keys()]);
  if (given.mode === "nearest") return same(taken);
  taken.weights = [[...rows.values()].map((share) => [...columns.values()].map((part) => share * part))];
  return summed(sight, taken);
}

/** @param {Sight} sight @returns {Found} */
function prelu(sight) {
  const taken = sight.here([sight.unit.channel]);
  const slope = /** @type {Float32Array} */ (sight.tensor("weight")?.data)[sight.given.shared ? 0 : sight.unit.channel];
  const input = first(taken);
  return [[taken], { input, slope }, Math.max(0, input) + slope * Math.min(0, input)];
}

/** @param {Sight} sight @returns {Found} */
function layerscale(sight) {
  const taken = sight.here([sight.unit.channel]);
  const parts = { input: first(taken), scale: sight.own("weight", 1) };
  return [[taken], parts, parts.input * parts.scale];
}

/** @param {Sight} sight @returns {Found} */
function multiply(sight) {
  const { step, unit } = sight;
  const [height, width, depth] = step.inputs[1];
  const taken = [
    sight.here([unit.channel]),
    sight.at([depth > 1 ? unit.channel : 0], [height > 1 ? unit.row : 0], [width > 1 ? unit.column : 0], 1),
  ];
  const [input, factor] = taken.map(first);
  return [taken, { input, factor }, input * factor];
}

/** @param {Sight} sight @returns {Found} */
function layernorm(sight) {
  return standardised(sight, sight.here(range(sight.step.inputs[0][2])));
}

/** @param {Sight} sight @returns {Found} */
function groupnorm(sight) {
  const [height, width, depth] = sight.step.inputs[0];
  const share = depth / sight.given.groups;
  const from = Math.floor(sight.unit.channel / share) * share;
  return standardised(sight, sight.at(range(share).map((at) => from + at), range(height), range(width)));
}

/** The mean and the variance are those of the values taken. @param {Sight} sight @param {Taken} taken @returns {Found} */
function standardised(sight, taken) {
  const values = /** @type {number[]} */ (taken.values.flat(2));
  const mean = total(taken.values) / values.length;
  const parts = {
    input: first(sight.here([sight.unit.channel])),
    mean,
    variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length,
    eps: sight.given.eps,
    scale: sight.own("weight", 1),
    shift: sight.own("bias", 0),
  };
  const normal = (parts.input - mean) / Math.sqrt(parts.variance + parts.eps);
  return [[taken], parts, normal * parts.scale + parts.shift];
}

/** @param {Sight} sight @returns {Found} */
function batchnorm(sight) {
  const taken = sight.here([sight.unit.channel]);
  const parts = {
    input: first(taken),
    mean: sight.own("running_mean", 0),
    variance: sight.own("running_var", 1),
    eps: sight.given.eps,
    scale: sight.own("weight", 1),
    shift: sight.own("bias", 0),
  };
  const normal = (parts.input - parts.mean) / Math.sqrt(parts.variance + parts.eps);
  return [[taken], parts, normal * parts.scale + parts.shift];
}

/** @param {Sight} sight @returns {Found} */
function lrn(sight) {
  const { size, k, alpha, beta, within } = sight.given;
  const [from, to] = neighbours(sight.unit.channel, size, sight.step.inputs[0][2]);
  const taken = within ? sight.window([sight.unit.channel]) : sight.here(range(to - from + 1).map((at) => from + at));
  taken.products = deep(taken.values, (value) => value ** 2);
  const input = first(sight.here([sight.unit.channel]));
  const sum = total(taken.products);
  return [[taken], { input, k, alpha, sum, beta }, input / (k + alpha * sum) ** beta];
}

/** @param {Sight} sight @returns {Found} */
function softmax(sight) {
  const taken = sight.here(range(sight.step.inputs[0][2]));
  const flat = /** @type {number[]} */ (taken.values.flat(2));
  const largest = Math.max(...flat);
  taken.products = deep(taken.values, (value) => Math.exp(value - largest));
  const sum = total(taken.products);
  const parts = { input: flat[sight.unit.channel], largest, sum };
  return [[taken], parts, taken.products[sight.unit.channel][0][0] / sum];
}

/** @param {Sight} sight @returns {Found} */
function add(sight) {
  const taken = sight.inputs.map((_, source) => sight.here([sight.unit.channel], source));
  const sum = taken.reduce((found, each) => found + first(each), 0);
  return [taken, { sum }, sum];
}

/** A map as it is, of one source. @param {Sight} sight @returns {Found} */
function taken(sight) {
  const [[source, map]] = /** @type {[number, number][]} */ (mapsBefore(sight.step, sight.unit.channel));
  return same(sight.here([map], source));
}

/** @param {Sight} sight @returns {Found} */
function activation(sight) {
  const taken = sight.here([sight.unit.channel]);
  return [[taken], { input: first(taken) }, ACTIVATIONS[sight.step.kind](first(taken), sight.given)];
}

/** @param {Taken} taken @returns {Found} */
function same(taken) {
  return [[taken], { input: first(taken) }, first(taken)];
}

/** @param {Taken} taken */
function first(taken) {
  return /** @type {number} */ (taken.values[0][0][0]);
}

/** @param {number} length */
function range(length) {
  return Array.from({ length }, (_, at) => at);
}

/** @param {(number | null)[][][]} values @param {(value: number) => number} rule @returns {number[][][]} */
function deep(values, rule) {
  return values.map((rows) => rows.map((row) => row.map((value) => rule(value ?? 0))));
}

/** @param {(number | null)[][][]} one @param {number[][][]} other @param {(a: number, b: number) => number} rule */
function pairs(one, other, rule) {
  return one.map((rows, map) => rows.map((row, y) => row.map((value, x) => rule(value ?? 0, other[map][y][x]))));
}

/** @param {(number | null)[][][]} values */
function total(values) {
  let sum = 0;
  for (const rows of values) for (const row of rows) for (const value of row) sum += value ?? 0;
  return sum;
}

/** @type {Record<string, (sight: Sight) => Found>} */
const RULES = {
  conv,
  fc,
  rbf,
  maxpool,
  avgpool: mean,
  adaptiveavgpool: mean,
  globalavgpool: mean,
  subsample,
  padshortcut,
  convtranspose,
  upsample,
  prelu,
  layerscale,
  layernorm,
  groupnorm,
  batchnorm,
  lrn,
  softmax,
  add,
  multiply,
  concat: taken,
  part: taken,
  shuffle: taken,
};
