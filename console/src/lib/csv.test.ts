import { expect, it } from 'vitest';
import { csv } from './csv.ts';

it('quotes what needs it and runs nothing', () => {
  expect(
    csv([
      ['a', 'b,c', 'd"e', null],
      ['=1+1', '-3', '-3.5', '-cmd', '@x', ''],
    ]),
  ).toBe('a,"b,c","d""e",\r\n\'=1+1,-3,-3.5,\'-cmd,\'@x,\r\n');
});
