// A certified OpenID Connect provider with people for tests. Its only argument is the port on which it
// listens on the loopback interface. Clients register themselves (RFC 7591).
//
// Whoever types a name at its login page is that person, whatever the password. The name says what the
// provider tells of them: "ann" has the verified address ann@example.com, "ann@other.example" that one,
// "unverified-ann" has one that is not verified, "nomail-ann" has none.
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

function claims(sub) {
  if (sub.startsWith('nomail-')) return { sub, name: sub };
  const [, unverified, name] = /^(unverified-)?(.*)$/.exec(sub);
  const email = name.includes('@') ? name : `${name}@example.com`;
  return { sub, name: `${name} of the provider`, email, email_verified: !unverified };
}

const provider = new Provider(issuer, {
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'] },
  cookies: { keys: ['for tests only'] },
  features: { registration: { enabled: true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => claims(sub) }),
  pkce: { required: () => true },
  responseTypes: ['code'],
  ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 600, IdToken: 60, Interaction: 600, Session: 600 },
});

provider.listen(port, '127.0.0.1', () => console.log(`login provider ready at ${issuer}`));
