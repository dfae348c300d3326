/** What the audit log can say was done, as the server writes it. A test holds the list against the server's source. */
export const ACTIONS = [
  'access.denied', 'agent.certificate', 'agent.clone', 'agent.connect', 'agent.enroll', 'agent.revoke', 'agent.url', 'app.change', 'app.create', 'app.delete',
  'audit.export', 'enrollment.create', 'identity.link', 'key.create', 'key.revoke', 'link.change', 'link.create', 'link.delete', 'login', 'login.provider',
  'master_key.change', 'master_key.resealed', 'me.change', 'me.identity.unlink', 'me.totp.disable', 'me.totp.enable', 'me.totp.enrol', 'provider.change',
  'provider.remove', 'rates.change', 'report.export', 'role.change', 'role.create', 'role.delete', 'run.cancel', 'run.create', 'run.delete', 'secret.create',
  'session.end', 'session.reuse', 'settings.change', 'token.create', 'token.revoke', 'totp.check', 'user.accept', 'user.change', 'user.create', 'user.delete',
  'user.identity.unlink', 'user.link', 'user.roles', 'user.totp.clear',
];
