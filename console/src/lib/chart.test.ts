import { describe, expect, it } from 'vitest';
import { areaPath, labelledPoints, linePath, nearest, niceScale, xAt, yAt } from './chart.ts';

const box = { width: 120, height: 120, top: 10, right: 10, bottom: 10, left: 10 };

describe('niceScale', () => {
  it('covers the highest value in round steps from zero', () => {
    expect(niceScale(302)).toEqual({ max: 400, ticks: [0, 100, 200, 300, 400] });
    expect(niceScale(97)).toEqual({ max: 100, ticks: [0, 25, 50, 75, 100] });
    expect(niceScale(1)).toEqual({ max: 1, ticks: [0, 1] });
    expect(niceScale(0.9, 4, false).max).toBeCloseTo(1);
  });

  it('has at most six ticks and covers, for any size', () => {
    for (let highest = 0.001; highest < 1e15; highest *= 1.37) {
      const { max, ticks } = niceScale(highest, 4, highest > 1);
      expect(max).toBeGreaterThanOrEqual(highest * (1 - 1e-9));
      expect(ticks.length).toBeLessThanOrEqual(6);
    }
  });

  it('does not fail on nothing', () => {
    for (const highest of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(niceScale(highest)).toEqual({ max: 1, ticks: [0, 1] });
  });
});

it('places points from edge to edge, and a single one in the middle', () => {
  expect([0, 1, 2].map((i) => xAt(i, 3, box))).toEqual([10, 60, 110]);
  expect(xAt(0, 1, box)).toBe(60);
  expect([yAt(0, 4, box), yAt(4, 4, box)]).toEqual([110, 10]);
});

it('finds the nearest point and stays inside', () => {
  expect([-50, 10, 34, 36, 84, 500].map((x) => nearest(x, 3, box))).toEqual([0, 0, 0, 1, 1, 2]);
  expect(nearest(50, 1, box)).toBe(0);
});

it('draws lines and areas', () => {
  expect(linePath([0, 4], 4, box)).toBe('M10 110L110 10');
  expect(areaPath([0, 4], 4, box)).toBe('M10 110L110 10L110 110L10 110Z');
  expect(areaPath([4], 4, box)).toBe('');
  expect(linePath([], 4, box)).toBe('');
});

it('labels as many points as fit, always the last', () => {
  const days = Array.from({ length: 30 }, (_, i) => String(i));
  expect(labelledPoints(days, 1000).at(-1)).toBe(29);
  expect(labelledPoints(days, 1000).length).toBeLessThanOrEqual(14);
  expect(labelledPoints(days, 100)).toEqual([0, 29]);
  expect(labelledPoints([], 100)).toEqual([]);
  expect(labelledPoints(['a'], 100)).toEqual([0]);
});

it('labels a run of equal texts once, where it begins', () => {
  expect(labelledPoints(['a', 'a', 'b', 'b', 'c'], 1000)).toEqual([0, 2, 4]);
});
