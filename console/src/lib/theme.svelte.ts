import { recall, remember } from './memory.ts';

export type Theme = 'system' | 'light' | 'dark';
export const THEMES: Theme[] = ['system', 'light', 'dark'];

const KEY = 'theme';

/** Light, dark, or as the system says. Remembered in this browser. */
export class ThemeChoice {
  #current = $state<Theme>(stored());

  constructor() {
    apply(this.#current);
  }

  get current(): Theme {
    return this.#current;
  }

  set current(theme: Theme) {
    this.#current = theme;
    apply(theme);
    remember(KEY, theme);
  }
}

function stored(): Theme {
  const name = recall(KEY);
  return THEMES.find((theme) => theme === name) ?? 'system';
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
