-- What can be computed from the log: lost or doubted, it is made anew by `sagalog rebuild`, which runs this file first. Hence IF NOT EXISTS.
set local role sagalog_owner;

-- The one hot row of a stream. No index but the key, and room left on each page, so that an update stays on its page
-- and touches no index (HOT). The lease is not here but with the worker.
create table if not exists sagalog.stream (
  stream_id uuid primary key,
  version bigint not null,
  epoch bigint not null,
  owner uuid,
  head bytea not null,
  namespace text not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Uniqueness that no single stream can keep: submit keys, sender ids, names. `stream_id` is who holds it.
create table if not exists sagalog.claim (
  scope text not null,
  key text not null,
  stream_id uuid not null,
  primary key (scope, key)
);

-- Signs of life. `host` names machine, boot and process namespace, so that `pid` and `started` mean something.
create table if not exists sagalog.worker (
  id uuid primary key,
  host text not null,
  pid int not null,
  started text not null,
  lease_until timestamptz not null
) with (fillfactor = 70);

grant select on sagalog.stream, sagalog.claim, sagalog.worker to sagalog_writer, sagalog_reader;
