import type { Api } from './api.ts';
import { listPeople } from './manage.ts';

/** Names of people for their ids, for readers who may see people; the others read the ids. */
export class Names {
  #names = $state.raw(new Map<string, string>());

  /** Use it in an effect. A failure costs the names only. */
  load(api: Api): () => void {
    const controller = new AbortController();
    listPeople(api, controller.signal).then(
      ({ data }) => (this.#names = new Map(data.map(({ id, name, email }) => [id, name || email]))),
      () => undefined,
    );
    return () => controller.abort();
  }

  of(id: string): string {
    return this.#names.get(id) ?? id;
  }
}
