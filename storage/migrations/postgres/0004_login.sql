-- Logging in: the ledger of proofs as rows, sessions of browsers, transactions
-- under way. Times are microseconds since 1970-01-01 UTC; 0 means "not set".

-- One row for each factor that was shown; only ever added to.
CREATE TABLE proofs (
  session_id TEXT COLLATE "C" NOT NULL,
  id         TEXT COLLATE "C" NOT NULL,
  user_id    TEXT COLLATE "C" NOT NULL,
  credential TEXT COLLATE "C" NOT NULL,
  txn        TEXT COLLATE "C" NOT NULL,
  factor     TEXT COLLATE "C" NOT NULL,
  amr        TEXT COLLATE "C" NOT NULL,
  second     BIGINT NOT NULL,
  at         BIGINT NOT NULL,
  PRIMARY KEY (session_id, id)
);
CREATE INDEX proofs_user ON proofs (user_id, factor);
INSERT INTO proofs (session_id, id, user_id, credential, txn, factor, amr, second, at)
  SELECT s.id, s.id || '.' || p.n, s.user_id, '', '', 'command', '[]',
    CASE WHEN p.value ->> 'second' = 'true' THEN 1 ELSE 0 END,
    s.created_at
  FROM sessions s, jsonb_array_elements(s.proofs::jsonb) WITH ORDINALITY AS p (value, n);
-- The column proofs of sessions is history: it stays [] for nodes of the release before.

-- secret_hash is that of the cookie's secret; NULL for a session that no
-- browser holds. A session without idle limit has idle_until 0.
ALTER TABLE sessions ADD COLUMN secret_hash BYTEA;
ALTER TABLE sessions ADD COLUMN idle_until BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX sessions_secret ON sessions (secret_hash) WHERE secret_hash IS NOT NULL;

-- Requests on their way through the pages. request and progress are JSON.
CREATE TABLE login_txns (
  id           TEXT COLLATE "C" PRIMARY KEY,
  purpose      TEXT COLLATE "C" NOT NULL,
  browser_hash BYTEA NOT NULL,
  client_id    TEXT COLLATE "C" NOT NULL,
  request      TEXT COLLATE "C" NOT NULL,
  languages    TEXT COLLATE "C" NOT NULL,
  login_hint   TEXT COLLATE "C" NOT NULL,
  progress     TEXT COLLATE "C" NOT NULL,
  created_at   BIGINT NOT NULL,
  idle_until   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  issued_at    BIGINT NOT NULL
);
CREATE INDEX login_txns_expires ON login_txns (expires_at);

-- Codes that are sent after the answer to a page.
CREATE TABLE login_codes (
  id            TEXT COLLATE "C" PRIMARY KEY,
  kid           TEXT COLLATE "C" NOT NULL,
  sealed        BYTEA NOT NULL,
  created_at    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  claimed_until BIGINT NOT NULL
);
CREATE INDEX login_codes_created ON login_codes (created_at);
CREATE INDEX login_codes_kid ON login_codes (kid);
