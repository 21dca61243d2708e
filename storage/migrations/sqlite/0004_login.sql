-- Logging in: the ledger of proofs as rows, sessions of browsers, transactions
-- under way. Times are microseconds since 1970-01-01 UTC; 0 means "not set".

-- One row for each factor that was shown; only ever added to.
CREATE TABLE proofs (
  session_id TEXT NOT NULL,
  id         TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  credential TEXT NOT NULL,
  txn        TEXT NOT NULL,
  factor     TEXT NOT NULL,
  amr        TEXT NOT NULL,
  second     INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  PRIMARY KEY (session_id, id)
) WITHOUT ROWID;
CREATE INDEX proofs_user ON proofs (user_id, factor);
INSERT INTO proofs (session_id, id, user_id, credential, txn, factor, amr, second, at)
  SELECT s.id, s.id || '.' || p.key, s.user_id, '', '', 'command', '[]',
    coalesce(json_extract(p.value, '$.second'), 0),
    s.created_at
  FROM sessions s, json_each(s.proofs) p;
-- The column proofs of sessions is history: it stays [] for nodes of the release before.

-- secret_hash is that of the cookie's secret; NULL for a session that no
-- browser holds. A session without idle limit has idle_until 0.
ALTER TABLE sessions ADD COLUMN secret_hash BLOB;
ALTER TABLE sessions ADD COLUMN idle_until INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX sessions_secret ON sessions (secret_hash) WHERE secret_hash IS NOT NULL;

-- Requests on their way through the pages. request and progress are JSON.
CREATE TABLE login_txns (
  id           TEXT PRIMARY KEY,
  purpose      TEXT NOT NULL,
  browser_hash BLOB NOT NULL,
  client_id    TEXT NOT NULL,
  request      TEXT NOT NULL,
  languages    TEXT NOT NULL,
  login_hint   TEXT NOT NULL,
  progress     TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  idle_until   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  issued_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_txns_expires ON login_txns (expires_at);

-- Codes that are sent after the answer to a page.
CREATE TABLE login_codes (
  id            TEXT PRIMARY KEY,
  kid           TEXT NOT NULL,
  sealed        BLOB NOT NULL,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  claimed_until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_codes_created ON login_codes (created_at);
CREATE INDEX login_codes_kid ON login_codes (kid);
