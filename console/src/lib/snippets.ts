import type { KeyKind } from './managed.ts';

export interface Snippet {
  name: string;
  text: string;
}

/** A string as it is written in JavaScript and Go alike. */
const quoted = (text: string) => JSON.stringify(text);

const browser = (key: string, agent: string) => `import { AnalyticsBrowser } from '@segment/analytics-next'

const analytics = AnalyticsBrowser.load({
  writeKey: ${quoted(key)},
  cdnURL: ${quoted(agent)},
})
analytics.page()`;

const node = (key: string, agent: string) => `import { Analytics } from '@segment/analytics-node'

const analytics = new Analytics({
  writeKey: ${quoted(key)},
  host: ${quoted(agent)},
})
analytics.track({
  userId: 'user-1',
  event: 'Order Completed',
  properties: { revenue: 42.5, currency: 'EUR' },
})`;

const go = (key: string, agent: string) => `import "github.com/segmentio/analytics-go/v3"

client, err := analytics.NewWithConfig(${quoted(key)}, analytics.Config{
	Endpoint: ${quoted(agent)},
})
if err != nil {
	return err
}
defer client.Close()
err = client.Enqueue(analytics.Track{
	UserId:     "user-1",
	Event:      "Order Completed",
	Properties: analytics.NewProperties().SetRevenue(42.5).SetCurrency("EUR"),
})`;

/** How SDKs are set up with a key. A server key does not belong in a browser, where everybody can read it. */
export function snippets(kind: KeyKind, key: string, agent: string): Snippet[] {
  const server = [
    { name: 'Node', text: node(key, agent) },
    { name: 'Go', text: go(key, agent) },
  ];
  return kind === 'server' ? server : [{ name: 'Browser', text: browser(key, agent) }, ...server];
}
