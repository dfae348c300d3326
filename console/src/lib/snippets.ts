import type { KeyKind } from './managed.ts';

/** How programs are set up to send, ready to paste: with the key and the address of the agents in them. */
export interface Snippet {
  name: string;
  /** Where it goes, or what to install first. */
  about: string;
  text: string;
}

type Made = [name: string, about: string, text: (key: string, agent: string) => string];

/** A string as it is written in JavaScript, Swift, Kotlin, Dart and Go alike. */
const q = (text: string) => JSON.stringify(text);
const host = (agent: string) => agent.replace(/^https?:\/\//, '');

const CLIENT: Made[] = [
  [
    'Script tag',
    'Into the page’s head. The file is made by make sdk; put it on your own site.',
    (key, agent) => `<script src="/unmogrowp.global.js"></script>
<script>
  unmogrowp.init({ writeKey: ${q(key)}, host: ${q(agent)} });
  unmogrowp.page();
</script>`,
  ],
  [
    'npm',
    'npm install @segment/analytics-next',
    (key, agent) => `import { AnalyticsBrowser } from '@segment/analytics-next'

const analytics = AnalyticsBrowser.load({
  writeKey: ${q(key)},
  cdnURL: ${q(agent)},
})
analytics.page()`,
  ],
  [
    'iOS',
    'Swift package github.com/segmentio/analytics-swift',
    (key, agent) => `import Segment

let analytics = Analytics(configuration: Configuration(writeKey: ${q(key)})
  .apiHost(${q(`${host(agent)}/v1`)})
  .cdnHost(${q(`${host(agent)}/v1`)})
  .trackApplicationLifecycleEvents(true))`,
  ],
  [
    'Android',
    'com.segment.analytics.kotlin:android',
    (key, agent) => `import com.segment.analytics.kotlin.android.Analytics

val analytics = Analytics(${q(key)}, applicationContext) {
  apiHost = ${q(`${host(agent)}/v1`)}
  cdnHost = ${q(`${host(agent)}/v1`)}
  trackApplicationLifecycleEvents = true
}`,
  ],
  [
    'React Native',
    'npm install @segment/analytics-react-native',
    (key, agent) => `import { createClient } from '@segment/analytics-react-native'

const analytics = createClient({
  writeKey: ${q(key)},
  proxy: ${q(`${agent}/v1/batch`)},
  cdnProxy: ${q(`${agent}/v1/projects`)},
  trackAppLifecycleEvents: true,
})`,
  ],
  [
    'Flutter',
    'flutter pub add rudder_sdk_flutter',
    (key, agent) => `import 'package:rudder_sdk_flutter/RudderController.dart';
import 'package:rudder_sdk_flutter_platform_interface/platform.dart';

final config = RudderConfigBuilder()
  ..withDataPlaneUrl(${q(agent)})
  ..withControlPlaneUrl(${q(agent)})
  ..withTrackLifecycleEvents(true);
RudderController.instance.initialize(${q(key)}, config: config.build());`,
  ],
  [
    'RudderStack',
    'npm install @rudderstack/analytics-js',
    (key, agent) => `import { RudderAnalytics } from '@rudderstack/analytics-js'

const rudder = new RudderAnalytics()
rudder.load(${q(key)}, ${q(agent)}, { configUrl: ${q(agent)} })
rudder.page()`,
  ],
  [
    'curl',
    'Sends one install, from a terminal.',
    (key, agent) => `curl -sf ${q(`${agent}/v1/track`)} -u ${q(`${key}:`)} -H 'Content-Type: application/json' -d '{
  "anonymousId": "device-1", "event": "Application Installed", "properties": {"version": "1.0"}
}'`,
  ],
];

const SERVER: Made[] = [
  [
    'Node',
    'npm install @segment/analytics-node',
    (key, agent) => `import { Analytics } from '@segment/analytics-node'

const analytics = new Analytics({
  writeKey: ${q(key)},
  host: ${q(agent)},
})
analytics.track({
  userId: 'user-1',
  event: 'Order Completed',
  properties: { revenue: 42.5, currency: 'EUR' },
})`,
  ],
  [
    'Go',
    'go get github.com/segmentio/analytics-go/v3',
    (key, agent) => `import "github.com/segmentio/analytics-go/v3"

client, err := analytics.NewWithConfig(${q(key)}, analytics.Config{
	Endpoint: ${q(agent)},
})
if err != nil {
	return err
}
defer client.Close()
err = client.Enqueue(analytics.Track{
	UserId:     "user-1",
	Event:      "Order Completed",
	Properties: analytics.NewProperties().SetRevenue(42.5).SetCurrency("EUR"),
})`,
  ],
  [
    'Python',
    'pip install segment-analytics-python',
    (key, agent) => `import segment.analytics as analytics

analytics.write_key = ${q(key)}
analytics.host = ${q(agent)}
analytics.track('user-1', 'Order Completed', {'revenue': 42.5, 'currency': 'EUR'})`,
  ],
];

const MOVING: Made[] = [
  [
    'From AppsFlyer',
    'Your server’s events to AppsFlyer: another host, another key.',
    (key, agent) => `curl -sf ${q(`${agent}/inappevent/APP_ID`)} -H ${q(`authentication: ${key}`)} -d '{
  "appsflyer_id": "1415211453000-6513894", "customer_user_id": "user-1", "eventName": "af_purchase",
  "eventValue": "{\\"af_revenue\\":\\"42.50\\",\\"af_currency\\":\\"EUR\\"}"
}'`,
  ],
  [
    'From Adjust',
    'Your server’s events to Adjust: another host, another key.',
    (key, agent) => `curl -sf ${q(`${agent}/event`)} -H ${q(`Authorization: Bearer ${key}`)} \\
  -d 's2s=1&event_token=f0ob4r&event_name=purchase&adid=18546f61&revenue=42.50&currency=EUR'`,
  ],
];

/** A client key is for what everybody can read; a server key does not belong there. */
export function snippets(kind: KeyKind, key: string, agent: string): Snippet[] {
  const offered = kind === 'server' ? [...SERVER, ...MOVING] : [...CLIENT, ...SERVER];
  return offered.map(([name, about, text]) => ({ name, about, text: text(key, agent) }));
}
