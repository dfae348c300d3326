import type { Permission } from './shapes.ts';

/** The fourteen permissions in the order of the grid, and what each is for. */
export const PERMISSION_NAMES: Record<Permission, string> = {
  'apps.read': 'See apps, tracking links and attribution settings',
  'apps.write': 'Make, change and delete apps and their keys',
  'reports.read': 'See reports',
  'raw.read': 'See single conversions and journeys',
  'links.write': 'Make, change and delete tracking links',
  'postbacks.write': 'Set up postbacks to partners',
  'attribution.configure': 'Change attribution settings',
  'costs.write': 'Import costs',
  'privacy.manage': 'Answer requests for access and erasure',
  'agents.read': 'See agents and the cluster',
  'agents.manage': 'Enrol and revoke agents',
  'users.read': 'See people and their roles',
  'users.manage': 'Make, change and delete people, and give them roles',
  'audit.read': 'Read the audit log',
};

export const PERMISSION_LIST = Object.keys(PERMISSION_NAMES) as Permission[];
