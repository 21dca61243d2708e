-- More ways to prove who one is: what users may hold beside one app, one
-- address and one number, passkeys, second passwords, recovery codes and
-- remembered browsers. Times are microseconds since 1970-01-01 UTC; 0 means
-- "not set".

-- Further apps, addresses and numbers. The first of each kind is where SCIM
-- sees it: totp_secrets, and attributes with their validations. value is the
-- normalised destination, which was validated when the row was written.
CREATE TABLE extra_apps (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  algorithm  TEXT NOT NULL,
  digits     INTEGER NOT NULL,
  period     INTEGER NOT NULL,
  last_step  INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX extra_apps_user ON extra_apps (user_id, created_at);
CREATE INDEX extra_apps_kid ON extra_apps (kid);
CREATE TABLE extra_addresses (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL,
  kind       TEXT NOT NULL,
  value      TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX extra_addresses_value ON extra_addresses (user_id, kind, value);

-- What a user calls a credential, whether it is switched off for login, as which
-- factor it is asked for first (one of a user at most, '' for the others), and
-- when it was used last. credential is its name in the ledger of proofs.
CREATE TABLE credential_settings (
  user_id      TEXT NOT NULL,
  credential   TEXT NOT NULL,
  name         TEXT NOT NULL,
  off          INTEGER NOT NULL,
  preferred    TEXT NOT NULL,
  last_used_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, credential)
) WITHOUT ROWID;

-- Passkeys. record is the credential record (WebAuthn Level 3 section 4), JSON.
CREATE TABLE passkeys (
  id            TEXT PRIMARY KEY,
  user_id       TEXT NOT NULL,
  credential_id BLOB NOT NULL,
  record        TEXT NOT NULL,
  name          TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  last_used_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX passkeys_credential ON passkeys (credential_id);
CREATE INDEX passkeys_user ON passkeys (user_id, created_at);

-- Registrations of passkeys that wait for the authenticator, one per session.
CREATE TABLE passkey_ceremonies (
  session_id TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL,
  ceremony   TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX passkey_ceremonies_expires ON passkey_ceremonies (expires_at);

-- Passwords on top of another factor. id is another one for every password.
CREATE TABLE second_passwords (
  user_id    TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  hash       TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Recovery codes: one salt for a set, so that one computation is compared with
-- all that are left.
CREATE TABLE recovery_sets (
  user_id    TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  params     TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE recovery_codes (
  user_id TEXT NOT NULL,
  set_id  TEXT NOT NULL,
  n       INTEGER NOT NULL,
  hash    BLOB NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, set_id, n)
) WITHOUT ROWID;

-- Remembered browsers.
CREATE TABLE devices (
  id           TEXT PRIMARY KEY,
  user_id      TEXT NOT NULL,
  secret_hash  BLOB NOT NULL,
  user_agent   TEXT NOT NULL,
  ip           TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX devices_user ON devices (user_id, created_at);
CREATE INDEX devices_expires ON devices (expires_at);
