/** The layers that map each value by itself, as functions of one value and the layer's arguments. */

/** The value of an activation for one input. @type {Record<string, (value: number, given: Record<string, any>) => number>} */
export const ACTIVATIONS = {
  relu: (x, { limit }) => Math.max(0, limit === null ? x : Math.min(limit, x)),
  tanh: (x, { amplitude, slope }) => amplitude * Math.tanh(slope * x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  gelu: (x, { tanh }) =>
    x * 0.5 * (tanh ? 1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)) : erfc(-x / Math.SQRT2)),
  mish: (x) => x * Math.tanh(softplus(x)),
  softplus,
  silu: (x) => x / (1 + Math.exp(-x)),
  hardsigmoid: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
  hardswish: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  leakyrelu: (x, { slope }) => (x > 0 ? x : slope * x),
  elu: (x, { alpha }) => (x > 0 ? x : alpha * Math.expm1(x)),
  dropout: (x) => x,
  droppath: (x) => x,
  identity: (x) => x,
};

/** log(1 + exp(x)), without overflow. @param {number} x */
function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/**
 * The complementary error function, to 1.2e-7 of its value.
 * Source: Press et al., Numerical Recipes, section 6.2, Chebyshev fitting.
 * @param {number} x
 */
function erfc(x) {
  const z = Math.abs(x);
  const t = 1 / (1 + 0.5 * z);
  let power = 0;
  for (const factor of ERFC) power = power * t + factor;
  const found = t * Math.exp(-z * z + power);
  return x >= 0 ? found : 2 - found;
}

const ERFC = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];
