import { expect, it } from 'vitest';
import { agentName } from './useragent.ts';

it('names the browser and the system', () => {
  const names: Record<string, string> = {
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36': 'Chrome on Linux',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0':
      'Edge on Windows',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1':
      'Safari on iOS',
    'Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0': 'Firefox on Android',
    'curl/8.9.1': 'curl',
    'Go-http-client/2.0': 'Go-http-client/2.0',
    '': 'unknown',
  };
  for (const [text, name] of Object.entries(names)) expect(agentName(text), text).toBe(name);
});
