-- Second factors: sealed states, counted challenges, what is enrolled and
-- validated, and the limits. Times are microseconds since 1970-01-01 UTC; 0
-- means "not set".

-- Keys of sealed states. All nodes share them; see package validation/state.
CREATE TABLE state_keys (
  id         TEXT COLLATE "C" PRIMARY KEY,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  state      TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  minted     BIGINT NOT NULL
);
CREATE UNIQUE INDEX state_keys_single ON state_keys (state) WHERE state IN ('current', 'next');
CREATE INDEX state_keys_kid ON state_keys (kid);

-- One row per code sent, or per secret or factor that waits for its proof. It
-- holds neither code nor address.
CREATE TABLE challenges (
  jti           TEXT COLLATE "C" PRIMARY KEY,
  sub           TEXT COLLATE "C" NOT NULL,
  kind          TEXT COLLATE "C" NOT NULL,
  path          TEXT COLLATE "C" NOT NULL,
  dest_hash     BYTEA,
  attempts      BIGINT NOT NULL,
  max_attempts  BIGINT NOT NULL,
  created_at    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  used_at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX challenges_live ON challenges (sub, kind, path) WHERE used_at = 0 AND superseded_at = 0;
CREATE INDEX challenges_sub ON challenges (sub);
CREATE INDEX challenges_expires ON challenges (expires_at);

-- Authenticator apps. id is another one for every secret.
CREATE TABLE totp_secrets (
  user_id    TEXT COLLATE "C" PRIMARY KEY,
  id         TEXT COLLATE "C" NOT NULL,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  algorithm  TEXT COLLATE "C" NOT NULL,
  digits     BIGINT NOT NULL,
  period     BIGINT NOT NULL,
  last_step  BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX totp_secrets_kid ON totp_secrets (kid);

-- Epochs: whatever was sealed under an older one no longer counts.
CREATE TABLE user_security (
  user_id          TEXT COLLATE "C" PRIMARY KEY,
  credential_epoch BIGINT NOT NULL
);
CREATE TABLE factor_epochs (
  user_id TEXT COLLATE "C" NOT NULL,
  factor  TEXT COLLATE "C" NOT NULL,
  epoch   BIGINT NOT NULL,
  PRIMARY KEY (user_id, factor)
);

-- Which value of an attribute its user has proved to hold.
CREATE TABLE validations (
  user_id      TEXT COLLATE "C" NOT NULL,
  path         TEXT COLLATE "C" NOT NULL,
  value_hash   BYTEA NOT NULL,
  validated_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, path)
);

-- Limits. Keys are HMACs. A row is over at ends_at.
CREATE TABLE send_counts (
  name       TEXT COLLATE "C" NOT NULL,
  key        BYTEA NOT NULL,
  n          BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  ends_at    BIGINT NOT NULL,
  PRIMARY KEY (name, key)
);
CREATE INDEX send_counts_ends ON send_counts (ends_at);
CREATE TABLE send_series (
  key         BYTEA PRIMARY KEY,
  n           BIGINT NOT NULL,
  last_at     BIGINT NOT NULL,
  previous_at BIGINT NOT NULL,
  ends_at     BIGINT NOT NULL
);
CREATE INDEX send_series_ends ON send_series (ends_at);
CREATE TABLE send_outcomes (
  jti      TEXT COLLATE "C" PRIMARY KEY,
  prefix   TEXT COLLATE "C" NOT NULL,
  sent_at  BIGINT NOT NULL,
  verified BIGINT NOT NULL
);
CREATE INDEX send_outcomes_prefix ON send_outcomes (prefix, sent_at);
CREATE INDEX send_outcomes_sent ON send_outcomes (sent_at);
CREATE TABLE prefix_pauses (
  prefix TEXT COLLATE "C" PRIMARY KEY,
  until  BIGINT NOT NULL
);
CREATE TABLE factor_failures (
  user_id      TEXT COLLATE "C" NOT NULL,
  factor       TEXT COLLATE "C" NOT NULL,
  n            BIGINT NOT NULL,
  closed_until BIGINT NOT NULL,
  disabled     BIGINT NOT NULL,
  last_at      BIGINT NOT NULL,
  PRIMARY KEY (user_id, factor)
);
CREATE INDEX factor_failures_last ON factor_failures (last_at);
CREATE TABLE password_failures (
  scope      TEXT COLLATE "C" NOT NULL,
  key        BYTEA NOT NULL,
  n          BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  last_at    BIGINT NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX password_failures_last ON password_failures (last_at);

-- Deliveries: what providers said about messages. Neither address nor code.
CREATE TABLE delivery_messages (
  id          TEXT COLLATE "C" PRIMARY KEY,
  provider    TEXT COLLATE "C" NOT NULL,
  provider_id TEXT COLLATE "C" NOT NULL,
  channel     TEXT COLLATE "C" NOT NULL,
  country     TEXT COLLATE "C" NOT NULL,
  dest_hash   BYTEA,
  created_at  BIGINT NOT NULL,
  status      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX delivery_messages_provider ON delivery_messages (provider, provider_id);
CREATE INDEX delivery_messages_dest ON delivery_messages (dest_hash);
CREATE INDEX delivery_messages_created ON delivery_messages (created_at);

-- The development inbox: sealed messages, at most 200, until their code expires.
CREATE TABLE inbox_messages (
  id         TEXT COLLATE "C" PRIMARY KEY,
  kid        TEXT COLLATE "C" NOT NULL,
  sealed     BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX inbox_messages_kid ON inbox_messages (kid);
CREATE INDEX inbox_messages_expires ON inbox_messages (expires_at);

-- Sessions and users' own tokens. A token whose user_id is set counts only as
-- long as the session that its session_id names lives.
CREATE TABLE sessions (
  id         TEXT COLLATE "C" PRIMARY KEY,
  user_id    TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ip         TEXT COLLATE "C" NOT NULL,
  user_agent TEXT COLLATE "C" NOT NULL,
  proofs     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expires ON sessions (expires_at);
ALTER TABLE tokens ADD COLUMN user_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN session_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN client_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN public_client BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX tokens_user ON tokens (user_id, session_id) WHERE user_id <> '';
ALTER TABLE user_security ADD COLUMN must_change BOOLEAN NOT NULL DEFAULT FALSE;
