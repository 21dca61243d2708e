-- The directory: resources, what finds them, who may change them, what changed.
-- Times are microseconds since 1970-01-01 UTC; 0 means "not set".

CREATE TABLE resources (
  seq           INTEGER PRIMARY KEY,
  type          TEXT NOT NULL,
  id            TEXT NOT NULL,
  domain        TEXT NOT NULL DEFAULT '',
  version       INTEGER NOT NULL,
  created       INTEGER NOT NULL,
  last_modified INTEGER NOT NULL,
  name_key      TEXT,
  external_id   TEXT,
  doc           TEXT NOT NULL,
  keys          BLOB NOT NULL
);
CREATE UNIQUE INDEX resources_id ON resources (type, id);
CREATE UNIQUE INDEX resources_name_key ON resources (type, name_key);
CREATE UNIQUE INDEX resources_external_id ON resources (type, external_id, domain);
CREATE INDEX resources_last_modified ON resources (type, last_modified, id);

-- One row per value of an indexed attribute.
CREATE TABLE resource_values (
  type TEXT NOT NULL,
  attr TEXT NOT NULL,
  key  TEXT NOT NULL,
  id   TEXT NOT NULL,
  PRIMARY KEY (type, attr, key, id)
) WITHOUT ROWID;

-- Attributes with uniqueness "server" or "global" (RFC 7643 section 7).
CREATE TABLE resource_unique (
  type TEXT NOT NULL,
  attr TEXT NOT NULL,
  key  TEXT NOT NULL,
  id   TEXT NOT NULL,
  PRIMARY KEY (type, attr, key)
) WITHOUT ROWID;
CREATE INDEX resource_unique_id ON resource_unique (type, id);

CREATE TABLE value_indexes (
  type  TEXT NOT NULL,
  attr  TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (type, attr)
) WITHOUT ROWID;

-- Group membership (RFC 7643 section 4.2).
CREATE TABLE members (
  group_id    TEXT NOT NULL,
  member_id   TEXT NOT NULL,
  member_type TEXT NOT NULL,
  PRIMARY KEY (group_id, member_id)
) WITHOUT ROWID;
CREATE INDEX members_member ON members (member_id, group_id);

-- Start key and size of every block of ids, for index paging.
CREATE TABLE resource_blocks (
  type     TEXT NOT NULL,
  start_id TEXT NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (type, start_id)
) WITHOUT ROWID;

CREATE TABLE resource_changes (
  type TEXT PRIMARY KEY,
  n    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE passwords (
  user_id    TEXT PRIMARY KEY,
  hash       TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tokens (
  id                     TEXT PRIMARY KEY,
  name                   TEXT NOT NULL,
  live                   INTEGER NOT NULL,
  hash                   BLOB NOT NULL,
  scopes                 TEXT NOT NULL,
  profile                TEXT NOT NULL,
  overrides              TEXT NOT NULL,
  domain                 TEXT NOT NULL,
  ignore_passwords       INTEGER NOT NULL,
  created_at             INTEGER NOT NULL,
  expires_at             INTEGER NOT NULL,
  revoked_at             INTEGER NOT NULL,
  last_used_at           INTEGER NOT NULL,
  removals_allowed_until INTEGER NOT NULL
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE live = 1;

-- Deactivations and deletions per token and minute, for the mass-removal brake.
CREATE TABLE removals (
  token_id TEXT NOT NULL,
  minute   INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (token_id, minute)
) WITHOUT ROWID;

-- With a rowid: in a tree of keys each of these long rows would begin a page
-- of its own.
CREATE TABLE audit_events (
  id         TEXT PRIMARY KEY NOT NULL,
  time       INTEGER NOT NULL,
  event      TEXT NOT NULL,
  outcome    TEXT NOT NULL,
  target_id  TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  actor_id   TEXT NOT NULL,
  body       TEXT NOT NULL
);
CREATE INDEX audit_events_target ON audit_events (target_id, id) WHERE target_id <> '';
CREATE INDEX audit_events_subject ON audit_events (subject_id, id) WHERE subject_id <> '';
CREATE INDEX audit_events_time ON audit_events (time);

-- Master keys that have sealed something here, each with a sealed check value.
CREATE TABLE keyring (
  kid        TEXT PRIMARY KEY,
  sealed     BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  state      TEXT NOT NULL
) WITHOUT ROWID;

-- Random keys that all nodes share, sealed under a master key.
CREATE TABLE server_keys (
  id         TEXT PRIMARY KEY,
  purpose    TEXT NOT NULL,
  kid        TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  state      TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX server_keys_active ON server_keys (purpose) WHERE state = 'active';
CREATE INDEX server_keys_kid ON server_keys (kid);

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE leases (
  name   TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until  INTEGER NOT NULL
) WITHOUT ROWID;
