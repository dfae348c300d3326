import type { Consent } from './client';

/** The parameter that a network adds to its links, and the name of the network. */
const NETWORKS: Record<string, string> = { gclid: 'google', fbclid: 'facebook', ttclid: 'tiktok', msclkid: 'microsoft' };
const NAMES: Record<string, string> = { campaign: 'name' };

export interface Visit {
  context: Record<string, unknown>;
  page: Record<string, unknown>;
  clickId: string | undefined;
}

/**
 * Reads the page as it is now. Who refused attribution leaves no parameters of
 * addresses, and who refused advertising no click ids of networks.
 */
export function visit(consent: Consent): Visit {
  const { origin, pathname, search } = location;
  const parameters = new URLSearchParams(consent.attribution === false ? '' : search);
  if (consent.ads === false) for (const name in NETWORKS) parameters.delete(name);
  const plain = consent.attribution !== false && consent.ads !== false;
  const query = plain ? search : String(parameters) && '?' + parameters;
  const referrer = document.referrer;
  const page = { path: pathname, referrer: plain ? referrer : referrer.split('?')[0], search: query, title: document.title, url: origin + pathname + query };
  const { campaign, clickId } = campaignOf(parameters);
  const context = {
    ...(campaign && { campaign }),
    ...(Object.keys(consent).length > 0 && { consent }),
    library: { name: 'unmogrowp-web', version: '0.1.0' },
    locale: navigator.language,
    page,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    userAgent: navigator.userAgent,
  };
  return { context, page, clickId };
}

function campaignOf(parameters: URLSearchParams): { campaign: Record<string, string> | undefined; clickId: string | undefined } {
  const campaign: Record<string, string> = {};
  let clickId = parameters.get('click_id') || undefined;
  parameters.forEach((value, name) => {
    if (!name.startsWith('utm_') || !value) return;
    const short = name.slice(4);
    campaign[NAMES[short] ?? short] ??= value;
  });
  for (const name in NETWORKS) {
    const id = parameters.get(name);
    if (!id) continue;
    clickId ??= id;
    campaign.source ??= NETWORKS[name]!;
  }
  return { campaign: Object.keys(campaign).length > 0 ? campaign : undefined, clickId };
}
