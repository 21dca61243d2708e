// An OpenID Connect provider on oidc-provider. It writes its issuer, then takes
// one JSON object a line from standard input and answers each with {"ok":true}:
//
//   {"callback": URL}          begins, with the redirect URI of its one client
//   {"account", "acr", "amr"}  who logs in from now on, and how
//   {"deny": true}             whoever comes next says no
//   {"rotate": true}           another signing key, the old one is gone
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import Provider from "oidc-provider";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const state = { account: "nobody", acr: undefined, amr: undefined, deny: false, callback: undefined };
let issuer, provider;

function key() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "RS256", use: "sig" };
}

function build() {
  provider = new Provider(issuer, {
    clients: [{
      client_id: "sallyport", client_secret: "a secret & with marks", redirect_uris: [state.callback],
      grant_types: ["authorization_code"], response_types: ["code"],
    }],
    jwks: { keys: [key()] },
    cookies: { keys: [randomUUID()] },
    features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
    acrValues: ["loa1", "loa3"],
    claims: { openid: ["sub", "acr", "amr"], auth_time: null, email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Grant: 300, Session: 3600, Interaction: 600 },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id, email: `${id}@corp.example`, email_verified: true, name: id.toUpperCase(), preferred_username: id,
      }),
    }),
  });
  provider.on("server_error", (_, err) => process.stderr.write(`${err.stack}\n`));
}

async function interact(req, res) {
  const { prompt, params } = await provider.interactionDetails(req, res);
  if (state.deny) {
    state.deny = false;
    return provider.interactionFinished(req, res, { error: "access_denied" });
  }
  if (prompt.name === "login") {
    const login = { accountId: state.account, acr: state.acr, amr: state.amr };
    return provider.interactionFinished(req, res, { login }, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: state.account, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const grantId = await grant.save();
  return provider.interactionFinished(req, res, { consent: { grantId } }, { mergeWithLastSubmission: true });
}

const server = createServer((req, res) => {
  if (req.url.startsWith("/interaction/")) {
    interact(req, res).catch((err) => {
      process.stderr.write(`${err.stack}\n`);
      res.statusCode = 500;
      res.end();
    });
    return;
  }
  provider.callback()(req, res);
});

server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  say({ issuer });
});

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { rotate, ...rest } = JSON.parse(line);
  Object.assign(state, rest);
  if (rest.callback || rotate) build();
  say({ ok: true });
});
lines.on("close", () => process.exit(0));
