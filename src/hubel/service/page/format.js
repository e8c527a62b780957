/** Numbers as texts. */

/** A whole number with commas between thousands: 61,706. @param {number} value */
export function count(value) {
  return value.toLocaleString("en-US");
}

/** A number of things in short: 61.7k, 1.82G. @param {number} value */
export function short(value) {
  for (const [size, unit] of /** @type {[number, string][]} */ ([[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]))
    if (value >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  return String(value);
}

/** Bytes: 246.8 kB. @param {number} value */
export function bytes(value) {
  for (const [size, unit] of /** @type {[number, string][]} */ ([[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]))
    if (value >= size) return `${Number((value / size).toPrecision(4))} ${unit}`;
  return `${value} B`;
}

/** A value of a network with `digits` decimals, with a real minus sign. @param {number | null} value @param {number} digits */
export function number(value, digits = 3) {
  if (value === null || !Number.isFinite(value)) return "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e5 || size < 0.5 * 10 ** -digits) ? size.toExponential(digits - 1) : size.toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** A share in percent: 98.9 %. @param {number} share */
export function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** A volume: 28×28×6. @param {number[]} volume */
export function size(volume) {
  return volume.join("×");
}
