import { changed, parseRoute, type Changes } from './route.ts';

/** The address bar as state. Links work as links; this only spares the browser from loading the page anew. */
export class Router {
  #url = $state.raw(new URL(location.href));

  readonly route = $derived(parseRoute(this.#url.pathname));
  readonly query = $derived(this.#url.searchParams);

  /** Follows clicks and the back button until the returned function is called. */
  start(): () => void {
    const moved = () => this.#read();
    const clicked = (event: MouseEvent) => this.#follow(event);
    addEventListener('popstate', moved);
    document.addEventListener('click', clicked);
    return () => {
      removeEventListener('popstate', moved);
      document.removeEventListener('click', clicked);
    };
  }

  go(href: string): void {
    history.pushState(null, '', href);
    this.#read();
    scrollTo(0, 0);
  }

  replace(href: string): void {
    history.replaceState(null, '', href);
    this.#read();
  }

  /** Changes filters: the address can be copied, and each change is one step of Back. */
  filter(changes: Changes): void {
    const to = this.with(changes);
    if (to === this.#url.pathname + this.#url.search) return;
    history.pushState(null, '', to);
    this.#read();
  }

  /** The address of this page with some filters changed. */
  with(changes: Changes): string {
    const text = changed(this.query, changes).toString();
    return this.#url.pathname + (text ? `?${text}` : '');
  }

  #read(): void {
    this.#url = new URL(location.href);
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.hash && link.pathname === location.pathname) return; // a jump within the page
    event.preventDefault();
    this.go(link.href);
  }
}
