/** The SDK for websites. `init` once, then call the functions below from anywhere. */
import { Client, type Consent, type Extra, type Options, type Properties } from './client';

export { Client };
export type { Consent, Extra, Options, Properties };
export type { Fault } from './sender';

let current: Client | undefined;

/** Starts the SDK for this page. A second call changes nothing and returns the same client. */
export function init(options: Options): Client {
  return (current ??= new Client(options));
}

function client(): Client {
  if (!current) throw new Error('unmogrowp: call init first');
  return current;
}

export const track = (event: string, properties?: Properties, extra?: Extra): boolean => client().track(event, properties, extra);
export const page = (name?: string, properties?: Properties, extra?: Extra): boolean => client().page(name, properties, extra);
export const identify = (userId: string, traits?: Properties, extra?: Extra): boolean => client().identify(userId, traits, extra);
export const group = (groupId: string, traits?: Properties, extra?: Extra): boolean => client().group(groupId, traits, extra);
export const alias = (userId: string, previousId?: string, extra?: Extra): boolean => client().alias(userId, previousId, extra);
export const reset = (): void => client().reset();
export const consent = (answers: Consent): void => client().consent(answers);
export const flush = (): Promise<boolean> => client().flush();
