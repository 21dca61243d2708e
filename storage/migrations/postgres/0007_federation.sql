-- Logins at other providers. Times are microseconds since 1970-01-01 UTC; 0
-- means "not set".

-- Which account at which provider belongs to which user. provider is the id in
-- the configuration; issuer and subject are those of the provider.
CREATE TABLE external_identities (
  provider      TEXT COLLATE "C" NOT NULL,
  issuer        TEXT COLLATE "C" NOT NULL,
  subject       TEXT COLLATE "C" NOT NULL,
  user_id       TEXT COLLATE "C" NOT NULL,
  display       TEXT COLLATE "C" NOT NULL,
  linked_at     BIGINT NOT NULL,
  last_login_at BIGINT NOT NULL,
  PRIMARY KEY (provider, issuer, subject)
);
CREATE UNIQUE INDEX external_identities_user ON external_identities (user_id, provider);

-- Requests that are at a provider; id is the hash of the state or
-- RelayState, in hexadecimal.
CREATE TABLE federation_requests (
  id           TEXT COLLATE "C" PRIMARY KEY,
  provider     TEXT COLLATE "C" NOT NULL,
  purpose      TEXT COLLATE "C" NOT NULL,
  txn          TEXT COLLATE "C" NOT NULL,
  browser_hash BYTEA,
  user_id      TEXT COLLATE "C" NOT NULL,
  session_id   TEXT COLLATE "C" NOT NULL,
  kid          TEXT COLLATE "C" NOT NULL,
  sealed       BYTEA NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  used_at      BIGINT NOT NULL
);
CREATE INDEX federation_requests_expires ON federation_requests (expires_at);
CREATE INDEX federation_requests_kid ON federation_requests (kid);

-- Answers that a provider posted here, until the browser fetches the page that
-- reads its cookies.
CREATE TABLE federation_answers (
  id         TEXT COLLATE "C" PRIMARY KEY,
  provider   TEXT COLLATE "C" NOT NULL,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX federation_answers_expires ON federation_answers (expires_at);
CREATE INDEX federation_answers_kid ON federation_answers (kid);

-- Assertions that were seen, until they expire.
CREATE TABLE federation_replays (
  issuer     TEXT COLLATE "C" NOT NULL,
  id         TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (issuer, id)
);
CREATE INDEX federation_replays_expires ON federation_replays (expires_at);

-- Keys that we sign with, and that is encrypted for, at SAML providers; id is
-- that of the provider.
CREATE TABLE federation_keys (
  id         TEXT COLLATE "C" PRIMARY KEY,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX federation_keys_kid ON federation_keys (kid);
