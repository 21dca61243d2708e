// An application on openid-client, a certified OpenID Connect library, which a
// test drives. It speaks lines of JSON over standard input and output:
//
//   -> {"keys": …}                        the public keys to register
//   <- {"issuer": …, "clients": {…}}      the clients that were registered
//   -> {"scenario": …, "open": url}       where a person has to go
//   <- {"url": …} or {"posted": …}        where the provider sent the browser
//   -> {"scenario": …, "done": {…}}       what the application learned
//   -> {"scenario": …, "failed": text}    or why it did not
//
// What the library checks (state, nonce, iss, at_hash, signatures, DPoP binding,
// max_age) is left to the library; the test compares what comes out.
import readline from 'node:readline'
import * as oidc from 'openid-client'

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n')
const hear = async () => JSON.parse((await lines.next()).value)

const redirect_uri = 'https://app.example.com/cb'
const pair = async () => crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
const key = await pair()
const jwk = { ...(await crypto.subtle.exportKey('jwk', key.publicKey)), kid: 'app-key', use: 'sig', alg: 'ES256' }
delete jwk.key_ops
delete jwk.ext
const privateKey = { key: key.privateKey, kid: 'app-key' }

say({ keys: { keys: [jwk] } })
const { issuer, clients, registration } = await hear()

// discovered is the configuration of one of the registered clients. The server
// of the test has no TLS; the signature of every ID token is checked, which
// the library leaves to TLS otherwise.
async function discovered(name, auth, metadata = {}) {
  const { id, secret } = clients[name]
  const config = await oidc.discovery(new URL(issuer), id, metadata, auth(secret), {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  })
  return config
}

// OnPage is an authorization request that the provider answered itself.
class OnPage extends Error {}

// login sends a person through the code flow and redeems the code.
async function login(scenario, config, { parameters = {}, url = oidc.buildAuthorizationUrl, checks = {}, options } = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  const all = {
    redirect_uri, scope: 'openid profile', state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
  }
  const target = await url(config, all)
  say({ scenario, open: target.href })
  const { url: back, posted, page } = await hear()
  if (page) throw new OnPage(page)
  const answer = posted
    ? new Request(back, { method: 'POST', body: new URLSearchParams(posted) })
    : new URL(back)
  return oidc.authorizationCodeGrant(config, answer,
    { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...checks }, undefined, options)
}

async function told(config, tokens, options) {
  const claims = tokens.claims()
  const user = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub, options)
  return { acr: claims.acr, amr: claims.amr, auth_time: claims.auth_time, sub: claims.sub, token_type: tokens.token_type, name: user.name }
}

const scenarios = {
  async code_with_mfa() {
    const config = await discovered('basic', oidc.ClientSecretBasic)
    const tokens = await login('code_with_mfa', config, {
      parameters: { acr_values: 'MFA', max_age: '300' }, checks: { maxAge: 300 },
    })
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token)
    const again = next.claims()
    const info = await oidc.tokenIntrospection(config, next.access_token)
    await oidc.tokenRevocation(config, next.refresh_token)
    const after = await oidc.tokenIntrospection(config, next.access_token)
    return {
      ...(await told(config, tokens).catch((e) => ({ revoked: e.code }))),
      acr: tokens.claims().acr, refreshed: again.acr, refreshed_nonce: again.nonce ?? null,
      same_time: again.auth_time === tokens.claims().auth_time,
      active: info.active, introspected: info.acr, after_revocation: after,
    }
  },
  async public_client() {
    const config = await discovered('spa', oidc.None)
    return told(config, await login('public_client', config))
  },
  async form_post() {
    const config = await discovered('post', oidc.ClientSecretPost)
    return told(config, await login('form_post', config, { parameters: { response_mode: 'form_post' } }))
  },
  async par() {
    const config = await discovered('post', oidc.ClientSecretPost)
    return told(config, await login('par', config, { url: oidc.buildAuthorizationUrlWithPAR }))
  },
  async jar() {
    const config = await discovered('jar', oidc.ClientSecretBasic, { id_token_signed_response_alg: 'ES256' })
    return told(config, await login('jar', config, {
      url: (c, p) => oidc.buildAuthorizationUrlWithJAR(c, p, privateKey),
    }))
  },
  async jar_by_a_foreign_key() {
    const config = await discovered('jar', oidc.ClientSecretBasic)
    const foreign = { key: (await pair()).privateKey, kid: 'app-key' }
    try {
      await login('jar_by_a_foreign_key', config, { url: (c, p) => oidc.buildAuthorizationUrlWithJAR(c, p, foreign) })
    } catch (e) {
      return { page: e instanceof OnPage && e.message.includes('invalid_request_object') }
    }
    return { page: false }
  },
  async private_key_jwt() {
    const config = await discovered('keyed', () => oidc.PrivateKeyJwt(privateKey))
    const tokens = await login('private_key_jwt', config)
    return told(config, tokens)
  },
  async dpop() {
    const config = await discovered('spa', oidc.None)
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    const tokens = await login('dpop', config, { options: { DPoP } })
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
    const user = await oidc.fetchUserInfo(config, next.access_token, tokens.claims().sub, { DPoP })
    const thief = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    const refused = await oidc.fetchUserInfo(config, next.access_token, tokens.claims().sub, { DPoP: thief })
      .then(() => null, (e) => e.status ?? e.cause?.status ?? e.code)
    const bearer = await fetch(config.serverMetadata().userinfo_endpoint, { headers: { authorization: 'Bearer ' + next.access_token } })
    return { token_type: next.token_type, name: user.name, refused, bearer: bearer.status, sub: tokens.claims().sub }
  },
  // As the FAPI 2.0 profiles ask: pushed and signed request, bound tokens,
  // authentication by key, and a second factor.
  async everything() {
    const config = await discovered('keyed', () => oidc.PrivateKeyJwt(privateKey))
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    const tokens = await login('everything', config, {
      parameters: { claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['MFA'] } } }) },
      async url(c, p) {
        const signed = await oidc.buildAuthorizationUrlWithJAR(c, p, privateKey)
        return oidc.buildAuthorizationUrlWithPAR(c, signed.searchParams, { DPoP })
      },
      options: { DPoP },
    })
    return told(config, tokens, { DPoP })
  },
  async device() {
    const config = await discovered('device', oidc.None)
    const started = await oidc.initiateDeviceAuthorization(config, { scope: 'openid profile' })
    say({ scenario: 'device', open: started.verification_uri_complete, code: started.user_code })
    await hear()
    return told(config, await oidc.pollDeviceAuthorizationGrant(config, started))
  },
  async machine() {
    const config = await discovered('machine', oidc.ClientSecretBasic)
    const tokens = await oidc.clientCredentialsGrant(config, { scope: 'scim:read' })
    const r = await oidc.fetchProtectedResource(config, tokens.access_token, new URL(issuer + '/scim/v2/Users?count=1'), 'GET')
    return { token_type: tokens.token_type, scope: tokens.scope ?? 'scim:read', status: r.status, refresh: tokens.refresh_token ?? null }
  },
  async unmet() {
    const config = await discovered('post', oidc.ClientSecretPost)
    try {
      await login('unmet', config, { parameters: { acr_values: 'MFA' } })
    } catch (e) {
      return { error: e.error, description: e.error_description }
    }
    return { error: null }
  },
  async max_age_zero() {
    const config = await discovered('post', oidc.ClientSecretPost)
    return told(config, await login('max_age_zero', config, { parameters: { max_age: '0' }, checks: { maxAge: 0 } }))
  },
  async registration() {
    const config = await oidc.dynamicClientRegistration(new URL(issuer),
      { redirect_uris: [redirect_uri], client_name: 'Registered', token_endpoint_auth_method: 'client_secret_basic' },
      oidc.ClientSecretBasic(), { initialAccessToken: registration, execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] })
    return told(config, await login('registration', config))
  },
  async logout() {
    const config = await discovered('post', oidc.ClientSecretPost)
    const tokens = await login('logout', config)
    const state = oidc.randomState()
    const url = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: 'https://app.example.com/out', id_token_hint: tokens.id_token, state,
    })
    say({ scenario: 'logout', open: url.href })
    const { url: back } = await hear()
    return { back: back === 'https://app.example.com/out?state=' + state }
  },
}

for (const [scenario, run] of Object.entries(scenarios)) {
  try {
    say({ scenario, done: await run() })
  } catch (e) {
    say({ scenario, failed: [e.code, e.error, e.error_description, e.message, JSON.stringify(e.cause?.body ?? e.cause ?? null)].filter(Boolean).join(': ') })
  }
}
process.exit(0)
