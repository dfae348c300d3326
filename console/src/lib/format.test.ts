import { describe, expect, it } from 'vitest';
import { micros } from './decimal.ts';
import { bytes, chooseLocale, count, creditColumn, difference, money, number, percent, words } from './format.ts';

it('takes an English locale that Intl knows, and survives those it refuses', () => {
  expect(chooseLocale(['de-DE', 'en-US', 'en-GB'])).toBe('en-US');
  expect(chooseLocale(['en-US@posix'])).toBe('en-GB');
  expect(chooseLocale(['en-US@posix', 'en-AU'])).toBe('en-AU');
  expect(chooseLocale(['de-DE'])).toBe('en-GB');
  expect(chooseLocale([])).toBe('en-GB');
});

describe('money', () => {
  it('has the places of its currency', () => {
    expect(money('501.42', 'EUR')).toBe('€501.42');
    expect(money('501.420000', 'JPY')).toBe('¥501');
    expect(money('1234.5678', 'KWD')).toMatch(/1,234\.568/);
  });

  it('can be finer, for shares of an amount', () => {
    expect(money('33.3', 'JPY', 2)).toBe('¥33.30');
    expect(money('33.3', 'EUR', 2)).toBe('€33.30');
  });

  it('is exact beyond what a float can hold', () => {
    expect(money('9007199254740993.01', 'EUR')).toBe('€9,007,199,254,740,993.01');
    expect(money('0.995', 'EUR')).toBe('€1.00');
    expect(money('1.005', 'EUR')).toBe('€1.01'); // a float would say 1.00
  });

  it('keeps the sign in front and off a zero', () => {
    expect(money('-0.5', 'EUR')).toBe('−€0.50');
    expect(money('-0.001', 'EUR')).toBe('€0.00');
  });

  it('copes with a currency nobody knows', () => {
    expect(money('5', 'nonsense')).toBe('5.00 nonsense');
    expect(money('5', '')).toBe('5.00');
  });
});

it('groups counts of any size', () => {
  expect(count(1234567)).toBe('1,234,567');
  expect(count(-5)).toBe('−5');
  expect(count(9_007_199_254_740_993n)).toBe('9,007,199,254,740,993');
  expect(number('1234.5', 0)).toBe('1,235');
});

it('writes a column of credits with points that align', () => {
  expect([1_000_000n, 2_000_000n].map(creditColumn([1_000_000n, 2_000_000n]))).toEqual(['1', '2']);
  const mixed = ['1.333333', '2'].map(micros);
  expect(mixed.map(creditColumn(mixed))).toEqual(['1.33', '2.00']);
});

it('writes percentages and differences', () => {
  expect(percent(0.25)).toBe('25.0\u2009%');
  expect(percent(333_333n)).toBe('33.3\u2009%');
  expect(difference(125_000n)).toBe('+12.5\u2009%');
  expect(difference(-30_000n)).toBe('−3.0\u2009%');
  expect(difference(100n)).toBe('±0');
  expect(difference(0n)).toBe('±0');
});

it('writes bytes and names', () => {
  expect(bytes(0)).toBe('0 B');
  expect(bytes(1536)).toBe('1.5 KiB');
  expect(bytes(10 * 1024 ** 3)).toBe('10 GiB');
  expect(words('re_attribution')).toBe('Re attribution');
});
