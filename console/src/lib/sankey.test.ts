import { expect, it } from 'vitest';
import { END, REST, sankey, type Path } from './sankey.ts';

const SHAPE = { steps: 4, height: 300, gap: 10, names: 3 };
const paths: Path[] = [
  { path: ['google'], conversions: 50 },
  { path: ['google', 'tiktok'], conversions: 20 },
  { path: ['tiktok', 'google', 'google', 'email', 'email'], conversions: 5 },
  { path: [], conversions: 99 },
  { path: ['a'], conversions: 2 },
  { path: ['b'], conversions: 1 },
];

it('loses nobody: what enters a block is what leaves it or stays', () => {
  const { blocks, ribbons } = sankey(paths, SHAPE);
  for (const block of blocks.filter(({ step }) => step > 0)) {
    const into = ribbons.filter(({ step, to }) => step === block.step - 1 && to === block.name).reduce((sum, { count }) => sum + count, 0);
    expect(into, `${block.step} ${block.name}`).toBe(block.count);
  }
  for (const block of blocks.filter(({ step, name }) => step < 3 && name !== END)) {
    const out = ribbons.filter(({ step, from }) => step === block.step && from === block.name).reduce((sum, { count }) => sum + count, 0);
    expect(out, `${block.step} ${block.name}`).toBe(block.count);
  }
  expect(blocks.filter(({ step }) => step === 0).reduce((sum, { count }) => sum + count, 0)).toBe(78);
});

it('keeps what is small in one block, and within the height', () => {
  const { blocks } = sankey(paths, { ...SHAPE, names: 2 });
  expect(blocks.find(({ step, name }) => step === 0 && name === REST)?.count).toBe(3);
  for (const { y, height } of blocks) expect(y + height).toBeLessThanOrEqual(300 + 1e-9);
});

it('draws nothing of nothing', () => {
  expect(sankey([], SHAPE)).toMatchObject({ blocks: [], ribbons: [] });
});
