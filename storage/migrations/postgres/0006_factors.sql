-- More ways to prove who one is: what users may hold beside one app, one
-- address and one number, passkeys, second passwords, recovery codes and
-- remembered browsers. Times are microseconds since 1970-01-01 UTC; 0 means
-- "not set".

-- Further apps, addresses and numbers. The first of each kind is where SCIM
-- sees it: totp_secrets, and attributes with their validations. value is the
-- normalised destination, which was validated when the row was written.
CREATE TABLE extra_apps (
  id         TEXT COLLATE "C" PRIMARY KEY,
  user_id    TEXT COLLATE "C" NOT NULL,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  algorithm  TEXT COLLATE "C" NOT NULL,
  digits     BIGINT NOT NULL,
  period     BIGINT NOT NULL,
  last_step  BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX extra_apps_user ON extra_apps (user_id, created_at);
CREATE INDEX extra_apps_kid ON extra_apps (kid);
CREATE TABLE extra_addresses (
  id         TEXT COLLATE "C" PRIMARY KEY,
  user_id    TEXT COLLATE "C" NOT NULL,
  kind       TEXT COLLATE "C" NOT NULL,
  value      TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX extra_addresses_value ON extra_addresses (user_id, kind, value);

-- What a user calls a credential, whether it is switched off for login, as which
-- factor it is asked for first (one of a user at most, '' for the others), and
-- when it was used last. credential is its name in the ledger of proofs.
CREATE TABLE credential_settings (
  user_id      TEXT COLLATE "C" NOT NULL,
  credential   TEXT COLLATE "C" NOT NULL,
  name         TEXT COLLATE "C" NOT NULL,
  off          BIGINT NOT NULL,
  preferred    TEXT COLLATE "C" NOT NULL,
  last_used_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, credential)
);

-- Passkeys. record is the credential record (WebAuthn Level 3 section 4), JSON.
CREATE TABLE passkeys (
  id            TEXT COLLATE "C" PRIMARY KEY,
  user_id       TEXT COLLATE "C" NOT NULL,
  credential_id BYTEA NOT NULL,
  record        TEXT COLLATE "C" NOT NULL,
  name          TEXT COLLATE "C" NOT NULL,
  created_at    BIGINT NOT NULL,
  last_used_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX passkeys_credential ON passkeys (credential_id);
CREATE INDEX passkeys_user ON passkeys (user_id, created_at);

-- Registrations of passkeys that wait for the authenticator, one per session.
CREATE TABLE passkey_ceremonies (
  session_id TEXT COLLATE "C" PRIMARY KEY,
  user_id    TEXT COLLATE "C" NOT NULL,
  ceremony   TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX passkey_ceremonies_expires ON passkey_ceremonies (expires_at);

-- Passwords on top of another factor. id is another one for every password.
CREATE TABLE second_passwords (
  user_id    TEXT COLLATE "C" PRIMARY KEY,
  id         TEXT COLLATE "C" NOT NULL,
  hash       TEXT COLLATE "C" NOT NULL,
  changed_at BIGINT NOT NULL
);

-- Recovery codes: one salt for a set, so that one computation is compared with
-- all that are left.
CREATE TABLE recovery_sets (
  user_id    TEXT COLLATE "C" PRIMARY KEY,
  id         TEXT COLLATE "C" NOT NULL,
  params     TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE recovery_codes (
  user_id TEXT COLLATE "C" NOT NULL,
  set_id  TEXT COLLATE "C" NOT NULL,
  n       BIGINT NOT NULL,
  hash    BYTEA NOT NULL,
  used_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, set_id, n)
);

-- Remembered browsers.
CREATE TABLE devices (
  id           TEXT COLLATE "C" PRIMARY KEY,
  user_id      TEXT COLLATE "C" NOT NULL,
  secret_hash  BYTEA NOT NULL,
  user_agent   TEXT COLLATE "C" NOT NULL,
  ip           TEXT COLLATE "C" NOT NULL,
  created_at   BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL
);
CREATE INDEX devices_user ON devices (user_id, created_at);
CREATE INDEX devices_expires ON devices (expires_at);
