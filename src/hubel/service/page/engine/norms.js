/** The normalisations, and the layers with a factor or a slope for each map. */

/** @import { Job } from "./forward.js" */
import { pooling } from "./pooling.js";

const squares = pooling(0, (total, value) => total + value ** 2, (total) => total);

/** @param {Job} job */
export function batchnorm(job) {
  const plane = job.step.output[0] * job.step.output[1];
  const [mean, variance, scale, shift] = ["running_mean", "running_var", "weight", "bias"].map((name) => job.tensor(name));
  for (let at = 0; at < job.out.length; at++) {
    const map = Math.floor(at / plane);
    const normal = (job.input[at] - (mean?.[map] ?? 0)) / Math.sqrt((variance?.[map] ?? 1) + job.given.eps);
    job.out[at] = normal * (scale?.[map] ?? 1) + (shift?.[map] ?? 0);
  }
}

/** A map's own factor for its values. @param {Job} job */
export function layerscale(job) {
  const plane = job.step.output[0] * job.step.output[1];
  const factors = /** @type {Float32Array} */ (job.tensor("weight"));
  for (let at = 0; at < job.out.length; at++) job.out[at] = job.input[at] * factors[Math.floor(at / plane)];
}

/** @param {Job} job */
export function prelu(job) {
  const plane = job.step.output[0] * job.step.output[1];
  const slopes = /** @type {Float32Array} */ (job.tensor("weight"));
  for (let at = 0; at < job.out.length; at++) {
    const slope = slopes[job.given.shared ? 0 : Math.floor(at / plane)];
    job.out[at] = Math.max(0, job.input[at]) + slope * Math.min(0, job.input[at]);
  }
}

/** Over the maps of each place. @param {Job} job */
export function layernorm(job) {
  const [height, width, depth] = job.step.output;
  const plane = height * width;
  for (let place = 0; place < plane; place++)
    standardise(job, Array.from({ length: depth }, (_, map) => map * plane + place));
}

/** Over each group of maps. @param {Job} job */
export function groupnorm(job) {
  const each = job.out.length / job.given.groups;
  for (let group = 0; group < job.given.groups; group++)
    standardise(job, Array.from({ length: each }, (_, at) => group * each + at));
}

/** Brings the values at some places to mean 0 and variance 1, then scales and shifts each by its map. @param {Job} job @param {number[]} places */
function standardise(job, places) {
  const plane = job.step.output[0] * job.step.output[1];
  const mean = places.reduce((sum, at) => sum + job.input[at], 0) / places.length;
  const variance = places.reduce((sum, at) => sum + (job.input[at] - mean) ** 2, 0) / places.length;
  const [scale, shift] = [job.tensor("weight"), job.tensor("bias")];
  for (const at of places) {
    const map = Math.floor(at / plane);
    job.out[at] = ((job.input[at] - mean) / Math.sqrt(variance + job.given.eps)) * (scale?.[map] ?? 1) + (shift?.[map] ?? 0);
  }
}

/** @param {Job} job */
export function lrn(job) {
  if (job.given.within) return lrnWithin(job);
  const { step, input, out, given } = job;
  const [height, width, depth] = step.output;
  const plane = height * width;
  for (let map = 0; map < depth; map++) {
    const [first, last] = neighbours(map, given.size, depth);
    for (let place = 0; place < plane; place++) {
      let sum = 0;
      for (let other = first; other <= last; other++) sum += input[other * plane + place] ** 2;
      out[map * plane + place] = input[map * plane + place] / (given.k + given.alpha * sum) ** given.beta;
    }
  }
}

/** @param {Job} job */
function lrnWithin(job) {
  const { input, out, given } = job;
  squares(job);
  for (let at = 0; at < out.length; at++) out[at] = input[at] / (given.k + given.alpha * out[at]) ** given.beta;
}

/**
 * The first and last map of a normalisation over neighbours; an even size has one more before than after.
 * @param {number} map @param {number} size @param {number} depth
 */
export function neighbours(map, size, depth) {
  const first = map - Math.floor(size / 2);
  return [Math.max(0, first), Math.min(depth, first + size) - 1];
}
