-- The log itself: records, definitions, inbox. Nothing else in this schema is the truth; the rest is derived.
set local role sagalog_owner;

-- Starts at 0 as taken, so that `last_value` is always the highest position handed out and the first record has 1.
-- CACHE must stay 1: a session that had put numbers by would hand out positions below what readers have passed.
create sequence sagalog.record_position as bigint minvalue 0 start 0 cache 1 no cycle;
select nextval('sagalog.record_position');

create table sagalog.record (
  position bigint not null,
  stream_id uuid not null,
  version bigint not null,
  record_id uuid not null,
  epoch bigint not null,
  occurred_at timestamptz not null,    -- the writer's estimate of database time; hashed
  recorded_at timestamptz not null,    -- the server's clock; not hashed
  schema_version int not null,
  type text not null,
  actor text not null,                 -- an opaque id: hashed, so never erasable
  db_user text not null,
  correlation_id uuid,
  causation_id uuid,
  encoding text,
  key_id text,
  salt bytea,
  value_digest bytea,
  hash bytea not null,
  facts bytea not null,
  meta bytea,
  value bytea,                         -- last: a scan that leaves it out need not walk over it
  -- The stream's own order, gapless from 1, and the only way in for who reads one stream. There is no index on
  -- record_id: an id is looked for in its own stream only, at the versions where it must stand.
  primary key (stream_id, version)
) partition by range (stream_id);

-- For the tail. A btree, although BRIN is smaller: BRIN cannot give an order, so a poll would have to read and sort
-- whole ranges of pages, and the newest range is never summarized. Positions only grow, so an insert lands on the
-- rightmost leaf, which is found without a descent, and leaves fill up whole: about 20 bytes a record. A poll is one
-- descent in each partition and then just the new rows.
create index record_position_idx on sagalog.record (position);

create table sagalog.definition (
  hash text primary key,
  body bytea not null,
  stored_at timestamptz not null default clock_timestamp()
);

-- Messages that the owner of a stream has not yet accepted. It takes no position and locks nothing that readers wait
-- for. `arrival` is only an order to hand them out in. The key finds a stream's messages and makes a message sent twice one.
create table sagalog.inbox (
  stream_id uuid not null,
  message_id uuid not null,
  arrival bigint generated always as identity,
  kind text not null,
  sender text not null,
  sent_at timestamptz not null default clock_timestamp(),
  body bytea not null,
  primary key (stream_id, message_id)
);

create function sagalog.refuse_change() returns trigger
language plpgsql
as $$
begin
  raise exception '%.%: the log is append-only, % is refused', tg_table_schema, tg_table_name, tg_op
    using errcode = 'insufficient_privilege', hint = 'what is in the log stays; append another record';
end $$;

-- ENABLE ALWAYS fires under session_replication_role = replica too. A statement trigger is not inherited by partitions, so
-- each one gets its own; a row trigger is, and alone sees what logical replication would change.
create function sagalog.guard(p_table regclass) returns void
language plpgsql
as $$
begin
  execute format('create trigger append_only before update or delete or truncate on %s
                  for each statement execute function sagalog.refuse_change()', p_table);
  execute format('alter table %s enable always trigger append_only', p_table);
end $$;

create trigger append_only_row before update or delete on sagalog.record
  for each row execute function sagalog.refuse_change();
alter table sagalog.record enable always trigger append_only_row;
create trigger append_only_row before update or delete on sagalog.definition
  for each row execute function sagalog.refuse_change();
alter table sagalog.definition enable always trigger append_only_row;
select sagalog.guard('sagalog.record');
select sagalog.guard('sagalog.definition');

-- The id of a run begins with the milliseconds when it was minted (UUIDv7), so a range of ids is a span of time.
create function sagalog.first_id(p_at timestamptz) returns uuid
language sql immutable strict
as $$ select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;

-- Attached rather than created in place: that does not wait for, nor hold up, sessions which use the other partitions.
create function sagalog.make_partition(p_name text, p_bound text) returns void
language plpgsql
as $$
begin
  execute format('create table sagalog.%I (like sagalog.record including all)', p_name);
  perform sagalog.guard(format('sagalog.%I', p_name)::regclass);
  execute format('alter table sagalog.record attach partition sagalog.%I %s', p_name, p_bound);
  -- What a partition inherits fires as its parent's does, whatever the server's version makes of it.
  execute format('alter table sagalog.%I enable always trigger append_only_row', p_name);
end $$;

-- Standing streams have ids (UUIDv8) that begin with ff, where UUIDv7 gets in the year 10800: a partition of their own.
select sagalog.make_partition('record_standing',
  $$for values from ('ff000000-0000-0000-0000-000000000000') to (maxvalue)$$);
select sagalog.make_partition('record_default', 'default');

-- Partitions for this month and the two after it; says how many it has made. Cheap when there is nothing to do, so
-- every session calls it. Where it cannot (a lock is held for long, the server is read-only, runs of
-- that month are in the default partition already) it leaves things as they are: the default partition takes what has no other.
create function sagalog.ensure_partitions() returns int
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_month timestamp := date_trunc('month', sagalog.now() at time zone 'UTC');
  v_from timestamp;
  v_name text;
  v_made int := 0;
begin
  for k in 0..2 loop
    v_from := v_month + make_interval(months => k);
    v_name := 'record_' || to_char(v_from, 'YYYY_MM');
    continue when to_regclass('sagalog.' || v_name) is not null;
    begin
      perform pg_advisory_xact_lock(21346, 1);
      continue when to_regclass('sagalog.' || v_name) is not null;
      perform sagalog.make_partition(v_name, format('for values from (%L) to (%L)',
        sagalog.first_id(v_from at time zone 'UTC'),
        sagalog.first_id((v_from + interval '1 month') at time zone 'UTC')));
      v_made := v_made + 1;
    exception when check_violation or lock_not_available or read_only_sql_transaction then
      raise warning 'sagalog: partition % could not be made: %', v_name, sqlerrm;
    end;
  end loop;
  return v_made;
end $$;
select sagalog.ensure_partitions();

-- Both bodies as jsonb, for people. A value in another encoding, encrypted or erased is shown as null.
create view sagalog.record_json as
select position, stream_id, version, record_id, type, schema_version, epoch, actor, occurred_at, recorded_at, db_user,
       correlation_id, causation_id, convert_from(facts, 'UTF8')::jsonb as facts,
       case when key_id is null and encoding like 'json@%' then convert_from(value, 'UTF8')::jsonb end as value,
       convert_from(meta, 'UTF8')::jsonb as meta, encoding, key_id, salt, value_digest, hash
from sagalog.record;

grant select on sagalog.record, sagalog.record_default, sagalog.definition, sagalog.inbox, sagalog.record_json,
  sagalog.record_position
  to sagalog_writer, sagalog_reader;
revoke all on function sagalog.refuse_change(), sagalog.guard(regclass), sagalog.make_partition(text, text),
  sagalog.ensure_partitions() from public;
grant execute on function sagalog.ensure_partitions() to sagalog_writer;
