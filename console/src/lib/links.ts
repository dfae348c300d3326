import type { LinkBody } from './manage.ts';
import type { Link, Targets } from './managed.ts';

/** Where a tracking link leads, by what is asked for and on which platform. */
export const PLATFORM_NAMES = { ios: 'iOS', android: 'Android', web: 'Web' } as const;

/** How a target reads: a platform, or a platform (* is any) in one country, as in "ios/DE". */
export function targetName(target: string): string {
  const [platform = '', country] = target.split('/');
  const name = platform === '*' ? 'Any platform' : (PLATFORM_NAMES[platform as keyof typeof PLATFORM_NAMES] ?? platform);
  return country ? `${name} in ${country}` : name;
}

export const DESTINATIONS = [
  { field: 'deep_links', name: 'Opens in the app', about: 'Where the app is installed. May use the app’s own scheme.', example: 'shop://offers/47' },
  { field: 'stores', name: 'Leads to the store', about: 'Where the app is not installed.', example: 'https://apps.apple.com/app/id123' },
  { field: 'redirects', name: 'Leads to a page', about: 'Instead of the fallback, on this platform.', example: 'https://example.com/ios' },
] as const;
export type DestinationField = (typeof DESTINATIONS)[number]['field'];

/** What is typed into the form of a link; everything is there, so that fields can be bound to it. */
export interface LinkForm {
  slug: string;
  media_source: string;
  campaign: string;
  adset: string;
  ad: string;
  keyword: string;
  retargeting: boolean;
  fallback: string;
  /** By target: each platform, and whatever else the link has. */
  targets: Record<DestinationField, Record<string, string>>;
}

export function formOf(link?: Link): LinkForm {
  const targets = (field: DestinationField) => ({ ios: '', android: '', web: '', ...link?.[field] }) as Record<string, string>;
  return {
    slug: link?.slug ?? '',
    media_source: link?.media_source ?? '',
    campaign: link?.campaign ?? '',
    adset: link?.adset ?? '',
    ad: link?.ad ?? '',
    keyword: link?.keyword ?? '',
    retargeting: link?.retargeting ?? false,
    fallback: link?.fallback ?? '',
    targets: { deep_links: targets('deep_links'), stores: targets('stores'), redirects: targets('redirects') },
  };
}

/** The form as it is sent: trimmed, and without destinations that are empty. */
export function bodyOf(form: LinkForm): LinkBody {
  const targets = (field: DestinationField): Targets =>
    Object.fromEntries(
      Object.entries(form.targets[field])
        .map(([target, address]) => [target, address.trim()] as const)
        .filter(([, address]) => address),
    );
  return {
    slug: form.slug.trim(),
    media_source: form.media_source.trim(),
    campaign: form.campaign.trim(),
    adset: form.adset.trim(),
    ad: form.ad.trim(),
    keyword: form.keyword.trim(),
    retargeting: form.retargeting,
    fallback: form.fallback.trim(),
    deep_links: targets('deep_links'),
    stores: targets('stores'),
    redirects: targets('redirects'),
  };
}

export const clickUrl = (agent: string, slug: string) => `${agent}/c/${encodeURIComponent(slug)}`;
export const impressionUrl = (agent: string, slug: string) => `${agent}/i/${encodeURIComponent(slug)}`;
