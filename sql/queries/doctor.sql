-- What `sagalog doctor` looks at. As the role that connected: some of it the writer may not see.

-- name: doctor_server
select current_setting('server_version'), current_setting('server_version_num')::int, current_database(),
       session_user::text, current_setting('transaction_read_only') = 'on' or pg_is_in_recovery(),
       timestamptz_send(clock_timestamp()), current_setting('server_encoding'),
       current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')

-- name: doctor_roles
select r.name, exists (select from pg_roles where rolname = r.name),
       exists (select from pg_roles where rolname = r.name) and
         pg_has_role(session_user, r.name, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)
from unnest(array['sagalog_owner', 'sagalog_writer', 'sagalog_reader']) r (name)

-- name: doctor_partitions
-- How many partitions there are, how many of the next two months have theirs, and whether the default one is in use.
select (select count(*) from pg_inherits where inhparent = 'sagalog.record'::regclass),
       (select count(*) from generate_series(0, 2) m
         where to_regclass('sagalog.record_' || to_char(date_trunc('month', sagalog.now() at time zone 'UTC')
                                                        + make_interval(months => m), 'YYYY_MM')) is not null),
       exists (select from sagalog.record_default)

-- name: doctor_triggers
-- Triggers that keep the log append-only and do not fire always, or at all.
select c.relname::text, t.tgname::text
from pg_trigger t join pg_class c on c.oid = t.tgrelid
where t.tgname in ('append_only', 'append_only_row') and c.relnamespace = 'sagalog'::regnamespace and t.tgenabled <> 'A'
order by 1, 2

-- name: doctor_guarded
-- Tables of the log that lack such a trigger.
select c.relname::text
from pg_class c
where c.relnamespace = 'sagalog'::regnamespace and c.relkind in ('r', 'p')
  and (c.relname = 'definition' or c.relname = 'record'
       or c.oid in (select inhrelid from pg_inherits where inhparent = 'sagalog.record'::regclass))
  and (select count(*) from pg_trigger t
        where t.tgrelid = c.oid and t.tgname in ('append_only', 'append_only_row')) < 2
order by 1
