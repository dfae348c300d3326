import { describe, expect, it } from 'vitest';
import { approximate, decimal, micros, ratio, rounded, sum } from './decimal.ts';

describe('micros', () => {
  it('reads what the server writes, to the last digit', () => {
    expect(micros('117.333334')).toBe(117_333_334n);
    expect(micros('0.000001')).toBe(1n);
    expect(micros('-3.5')).toBe(-3_500_000n);
    expect(micros('9007199254740993.000001')).toBe(9_007_199_254_740_993_000_001n); // beyond 2^53
    expect(micros('12')).toBe(12_000_000n);
  });

  it('refuses everything else', () => {
    for (const text of ['', 'abc', '1e3', '1,5', '0.1234567', '.5', 'NaN', ' 1']) expect(() => micros(text), text).toThrow(RangeError);
  });

  it('comes back as it was', () => {
    for (const text of ['0.000000', '117.333334', '-0.000001', '123456789012345678.999999']) expect(decimal(micros(text))).toBe(text);
  });
});

it('sums without drifting: a third three times, ten thousand times over', () => {
  const thirds = Array.from({ length: 10_000 }, () => ['0.333333', '0.333333', '0.333334']).flat();
  expect(decimal(sum(thirds))).toBe('10000.000000');
  expect(sum([])).toBe(0n);
});

it('rounds half away from zero, and never to minus zero', () => {
  expect(rounded(1_005_000n, 2)).toEqual({ negative: false, whole: 1n, fraction: '01' });
  expect(rounded(999_995_000n, 2)).toEqual({ negative: false, whole: 1000n, fraction: '00' });
  expect(rounded(-1_500_000n, 0)).toEqual({ negative: true, whole: 2n, fraction: '' });
  expect(rounded(-4_000n, 2)).toEqual({ negative: false, whole: 0n, fraction: '00' });
});

it('divides into millionths', () => {
  expect(ratio(1n, 3n)).toBe(333_333n);
  expect(ratio(2n, 3n)).toBe(666_667n);
  expect(ratio(-1n, 4n)).toBe(-250_000n);
  expect(ratio(-1n, -4n)).toBe(250_000n);
  expect(ratio(5n, 0n)).toBeNull();
});

it('approximates for drawing', () => {
  expect(approximate(1_500_000n)).toBe(1.5);
});
