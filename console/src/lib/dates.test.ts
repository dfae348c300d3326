import { describe, expect, it } from 'vitest';
import { addDays, ago, dayOf, daysBetween, isDay, knownZone, rangeBefore, rangeQuery, readRange, span, startOfDay } from './dates.ts';

const iso = (time: number) => new Date(time).toISOString();

it('knows which texts are days', () => {
  expect(isDay('2026-02-28')).toBe(true);
  for (const text of ['2026-02-30', '2026-2-3', '', null, '20260203', '2026-13-01', '0000-00-00']) expect(isDay(text)).toBe(false);
});

it('counts days over the change of the clocks and leap years', () => {
  expect(addDays('2026-10-24', 2)).toBe('2026-10-26');
  expect(addDays('2028-02-28', 1)).toBe('2028-02-29');
  expect(daysBetween('2026-03-01', '2026-04-01')).toBe(31);
});

describe('startOfDay', () => {
  it.each([
    ['2026-11-22', 'UTC', '2026-11-22T00:00:00.000Z'],
    ['2026-11-22', 'Europe/Berlin', '2026-11-21T23:00:00.000Z'],
    ['2026-10-25', 'Europe/Berlin', '2026-10-24T22:00:00.000Z'], // summer time ends that night
    ['2026-10-26', 'Europe/Berlin', '2026-10-25T23:00:00.000Z'],
    ['2026-03-29', 'Europe/Berlin', '2026-03-28T23:00:00.000Z'], // summer time begins
    ['2026-03-30', 'Europe/Berlin', '2026-03-29T22:00:00.000Z'],
    ['2026-11-22', 'Asia/Kolkata', '2026-11-21T18:30:00.000Z'],
    ['2026-11-22', 'Pacific/Kiritimati', '2026-11-21T10:00:00.000Z'],
    ['2026-11-22', 'America/New_York', '2026-11-22T05:00:00.000Z'],
    ['2018-11-04', 'America/Sao_Paulo', '2018-11-04T03:00:00.000Z'], // there was no midnight: the day began at 01:00
    ['2018-02-18', 'America/Sao_Paulo', '2018-02-18T03:00:00.000Z'], // midnight had come and gone back once
  ])('%s in %s is %s', (day, zone, want) => {
    expect(iso(startOfDay(day, zone))).toBe(want);
    expect(dayOf(startOfDay(day, zone), zone)).toBe(day);
  });
});

it('falls back to UTC for a zone the browser does not know', () => {
  expect(knownZone('Europe/Berlin')).toBe('Europe/Berlin');
  expect(knownZone('Mars/Olympus')).toBe('UTC');
  expect(knownZone(undefined)).toBe('UTC');
  expect(knownZone('')).toBe('UTC');
});

describe('readRange', () => {
  const now = Date.parse('2026-11-22T23:30:00Z'); // already the 23rd in Berlin
  const read = (query: string, zone = 'UTC') => readRange(new URLSearchParams(query), zone, now);

  it('is thirty days up to and including today, where the app is', () => {
    expect(read('')).toEqual({ from: '2026-10-24', to: '2026-11-23', preset: '30d' });
    expect(read('', 'Europe/Berlin')).toEqual({ from: '2026-10-25', to: '2026-11-24', preset: '30d' });
  });

  it('takes presets and picked days', () => {
    expect(read('range=7d')).toEqual({ from: '2026-11-16', to: '2026-11-23', preset: '7d' });
    expect(read('from=2026-01-01&to=2026-02-01')).toEqual({ from: '2026-01-01', to: '2026-02-01', preset: '' });
  });

  it('ignores what makes no sense', () => {
    for (const query of [
      'range=8d',
      'range=x',
      'from=2026-02-01&to=2026-01-01',
      'from=2026-01-01',
      'from=1970-01-01&to=2026-01-01',
      'from=2026-01-01&to=2026-01-01',
    ]) {
      expect(read(query).preset, query).toBe('30d');
    }
  });

  it('takes presets by name', () => {
    expect(read('range=yesterday')).toMatchObject({ from: '2026-11-21', to: '2026-11-22' });
    expect(read('range=month')).toMatchObject({ from: '2026-11-01', to: '2026-11-23' });
    expect(read('range=last-month')).toMatchObject({ from: '2026-10-01', to: '2026-11-01' });
    expect(read('range=year')).toMatchObject({ from: '2026-01-01', to: '2026-11-23' });
  });

  it('asks the server for instants', () => {
    expect(rangeQuery({ from: '2026-10-24', to: '2026-10-27', preset: '' }, 'Europe/Berlin')).toEqual({
      from: '2026-10-23T22:00:00Z',
      to: '2026-10-26T23:00:00Z',
    });
  });
});

it('writes lengths of time in their two largest units', () => {
  expect(span(2 * 86_400_000 + 3 * 3_600_000 + 59_000)).toBe('2 d 3 h');
  expect(span(86_400_000 + 59_000)).toBe('1 d');
  expect(span(61_000)).toBe('1 min 1 s');
  expect(span(-5_000)).toBe('5 s');
  expect(span(0)).toBe('0 s');
  expect(ago('2026-11-22T10:00:00Z', Date.parse('2026-11-22T12:30:00Z'))).toBe('2 h ago');
  expect(ago('2026-11-22T10:00:00Z', Date.parse('2026-11-22T10:00:01Z'))).toBe('just now');
  expect(ago('nonsense', 0)).toBe('–');
});

it('finds the days to compare with', () => {
  const range = (from: string, to: string) => ({ from, to, preset: '' });
  expect(rangeBefore(range('2026-11-01', '2026-12-01'), 'previous')).toEqual(range('2026-10-02', '2026-11-01'));
  expect(rangeBefore(range('2026-11-01', '2026-12-01'), 'year')).toEqual(range('2025-11-01', '2025-12-01'));
  expect(rangeBefore(range('2028-02-29', '2028-03-01'), 'year')).toEqual(range('2027-03-01', '2027-03-02'));
});
