// SPDX-License-Identifier: MIT
//
// Elementary functions in fixed point: an integer n stands for n × 2^−FRACTION. Arguments are reduced so far that the series here
// are short, and errors stay below 2^−150: far less than a rounding to 64 bits can notice (SDM vol. 1 §8.3.10 asks for 1 ulp).
export const FRACTION = 192;
const SHIFT = BigInt(FRACTION);
const ONE = 1n << SHIFT;

export function multiplyFixed(a: bigint, b: bigint): bigint {
  return (a * b) >> SHIFT;
}

/** atanh(z) / z, or atan(z) / z with `step` −1, from z²: 1 + step z²/3 + z⁴/5 + … */
function oddSeries(square: bigint, step: bigint): bigint {
  let sum = ONE;
  let power = ONE;
  for (let n = 3n; power !== 0n; n += 2n) {
    power = (step * (power * square)) / ONE;
    sum += power / n;
  }
  return sum;
}
export const atanhSeries = (square: bigint): bigint => oddSeries(square, 1n);
export const atanSeries = (square: bigint): bigint => oddSeries(square, -1n);

/** (e^t − 1) / t. */
export function exponentialSeries(t: bigint): bigint {
  let sum = ONE;
  let term = ONE;
  for (let n = 2n; term !== 0n; n++) {
    term = (term * t) / (ONE * n);
    sum += term;
  }
  return sum;
}

/** sin(t) / t for `first` 2, cos(t) for `first` 1, from t². */
export function alternatingSeries(square: bigint, first: bigint): bigint {
  let sum = ONE;
  let term = ONE;
  for (let n = first; term !== 0n; n += 2n) {
    term = -(term * square) / (ONE * n * (n + 1n));
    sum += term;
  }
  return sum;
}

/** arctan of the fraction above / below, which is at most 1/16. */
function smallArctan(above: bigint, below: bigint): bigint {
  const z = (above << SHIFT) / below;
  return multiplyFixed(z, atanSeries(multiplyFixed(z, z)));
}

/** ln 2 = 2 atanh(1/3). */
export const LN2 = (2n * atanhSeries(ONE / 9n)) / 3n;

/** arctan(k / 16) for k from 0 to 16; the last one is π / 4. */
const ARCTANGENTS: readonly bigint[] = (() => {
  const table = [0n];
  for (let k = 1n; k <= 16n; k++) table.push(table[Number(k) - 1] + smallArctan(16n, 256n + k * (k - 1n)));
  return table;
})();
export const PI = 4n * ARCTANGENTS[16];

/** arctan(y / x) in fixed point, for 1/32 ≤ y / x ≤ 1. */
export function arctanOfRatio(y: bigint, x: bigint): bigint {
  const k = (y * 32n + x) / (x * 2n);
  const z = ((16n * y - k * x) << SHIFT) / (16n * x + k * y);
  return ARCTANGENTS[Number(k)] + multiplyFixed(z, atanSeries(multiplyFixed(z, z)));
}
