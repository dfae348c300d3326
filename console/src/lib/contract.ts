import type { paths } from './contract.gen.d.ts';

/**
 * What the server answers, as its own OpenAPI document says: `make console` writes
 * contract.gen.d.ts from it, so a route or a field that changed there is a type error here.
 */

type Method = 'get' | 'post' | 'put' | 'patch';

/** The routes of the API that have this method, below /api/v1/. */
export type Route<M extends Method = 'get'> = {
  [P in keyof paths]: P extends `/api/v1/${infer R}` ? (paths[P][M] extends { responses: unknown } ? R : never) : never;
}[keyof paths];

type Operation<R extends Route<M>, M extends Method> = `/api/v1/${R}` extends infer P extends keyof paths ? paths[P][M] : never;

type Body<O, Status extends number> = O extends { responses: Record<Status, { content: { 'application/json': infer T } }> } ? T : never;

/** The answer of a route. */
export type Answer<R extends Route<M>, M extends Method = 'get'> = Body<Operation<R, M>, 200> | Body<Operation<R, M>, 201>;

/** One element of the list that a route answers. */
export type Item<R extends Route> = Answer<R> extends { data: readonly (infer T)[] } ? T : never;
