-- Read models: derived from the log by the safe tail, dropped and refolded by `sagalog rebuild`, which runs this file first.
-- Hence IF NOT EXISTS and OR REPLACE. The writer writes them through functions, as it does the log: it may be trusted
-- to fold, and could not otherwise write them together with their checkpoint and nothing else.
set local role sagalog_owner;

-- How far each projection has read: `position` is the last record it has folded.
create table if not exists sagalog.checkpoint (
  projection text primary key,
  position bigint not null
) with (fillfactor = 10);

-- One row a run, from the facts alone. `*_version` are the versions of the records whose values say why; they are looked up
-- when somebody asks. Only what never changes is indexed, so that updates stay HOT.
create table if not exists sagalog.run (
  run_id uuid primary key,
  flow text not null,
  state text not null,
  version bigint not null,
  definition text,
  key text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  reason_version bigint,
  failure_version bigint,
  revert_failure_version bigint
) with (fillfactor = 70);
-- `list` shows them oldest first.
create index if not exists run_created_idx on sagalog.run (created_at, run_id);

grant select on sagalog.checkpoint, sagalog.run to sagalog_writer, sagalog_reader;

-- Move a checkpoint from `p_after` to `p_upto`; false: another process has moved it, so what was folded is not to be
-- written. The row lock is held until the end of the transaction: one batch at a time.
create or replace function sagalog.advance(p_projection text, p_after bigint, p_upto bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into sagalog.checkpoint (projection, position) values (p_projection, 0) on conflict do nothing;
  update sagalog.checkpoint set position = p_upto where projection = p_projection and position = p_after;
  return found;
end $$;

-- Times are microseconds since 1970, which JSON keeps exactly and `to_timestamp` would not.
create or replace function sagalog.micros(p_micros bigint) returns timestamptz
language sql immutable strict
as $$ select timestamptz '1970-01-01 00:00:00+00' + p_micros * interval '1 microsecond' $$;

-- Write rows of runs, whole ones, together with the checkpoint; false and nothing written: see `advance`.
create or replace function sagalog.project_runs(p_after bigint, p_upto bigint, p_rows jsonb) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not sagalog.advance('runs', p_after, p_upto) then
    return false;
  end if;
  insert into sagalog.run as r (run_id, flow, state, version, definition, key, created_at, updated_at, started_at, finished_at,
                                reason_version, failure_version, revert_failure_version)
  select j.run_id, j.flow, j.state, j.version, j.definition, j.key, sagalog.micros(j.created_at), sagalog.micros(j.updated_at),
         sagalog.micros(j.started_at), sagalog.micros(j.finished_at),
         j.reason_version, j.failure_version, j.revert_failure_version
    from jsonb_to_recordset(p_rows) as j (run_id uuid, flow text, state text, version bigint, definition text, key text,
         created_at bigint, updated_at bigint, started_at bigint, finished_at bigint,
         reason_version bigint, failure_version bigint, revert_failure_version bigint)
  on conflict (run_id) do update
    set state = excluded.state, version = excluded.version, updated_at = excluded.updated_at,
        started_at = excluded.started_at, finished_at = excluded.finished_at, reason_version = excluded.reason_version,
        failure_version = excluded.failure_version, revert_failure_version = excluded.revert_failure_version;
  return true;
end $$;

-- Forget all rows and start from the first record again. Whoever is folding finds the checkpoint moved.
create or replace function sagalog.reset_runs() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into sagalog.checkpoint (projection, position) values ('runs', 0) on conflict do nothing;
  perform from sagalog.checkpoint where projection = 'runs' for update;
  delete from sagalog.run;
  update sagalog.checkpoint set position = 0 where projection = 'runs';
end $$;

revoke all on function sagalog.advance, sagalog.micros, sagalog.project_runs, sagalog.reset_runs from public;
grant execute on function sagalog.project_runs, sagalog.reset_runs to sagalog_writer;
