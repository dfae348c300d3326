import type { Consent } from './client';

/** The parameters that ad networks add to links, in lower case. The agent knows whose each is. */
const NETWORKS = /^(\w*cl(ick|k)?id|[gw]braid|li_fat_id|sccid|epik|rdt_cid|dicbo|tblci|vmcid|cjevent|awc|zanpid|ransiteid|tduid)$/i;
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
  if (consent.ads === false) for (const name of [...parameters.keys()]) if (NETWORKS.test(name)) parameters.delete(name);
  const plain = consent.attribution !== false && consent.ads !== false;
  const query = plain ? search : String(parameters) && '?' + parameters;
  const referrer = document.referrer;
  const page = { path: pathname, referrer: plain ? referrer : referrer.split('?')[0], search: query, title: document.title, url: origin + pathname + query };
  const campaign = campaignOf(parameters);
  const context = {
    ...(campaign && { campaign }),
    ...(Object.keys(consent).length > 0 && { consent }),
    library: { name: 'unmogrowp-web', version: '0.1.0' },
    locale: navigator.language,
    page,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    userAgent: navigator.userAgent,
  };
  return { context, page, clickId: arrival(query) };
}

/** The click of a link of ours that brought somebody to this page. */
export function arrival(search = location.search): string | undefined {
  const parameters = new URLSearchParams(search);
  return parameters.get('umcid') || parameters.get('click_id') || undefined;
}

function campaignOf(parameters: URLSearchParams): Record<string, string> | undefined {
  const campaign: Record<string, string> = {};
  parameters.forEach((value, name) => {
    if (!name.startsWith('utm_') || !value) return;
    const short = name.slice(4);
    campaign[NAMES[short] ?? short] ??= value;
  });
  return Object.keys(campaign).length > 0 ? campaign : undefined;
}
