-- Who may do what: the owner holds tables and functions and never logs in, the writer may call functions and read, the
-- reader may read. The role that connects must be allowed to become the first two. Roles belong to the whole server,
-- so another database may have made them already, perhaps this very moment.
do $$
declare
  v_role text;
  v_option text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
begin
  foreach v_role in array array['sagalog_owner', 'sagalog_writer', 'sagalog_reader'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin', v_role);
      exception when duplicate_object or unique_violation then null;
      end;
    end if;
    if not pg_has_role(current_user, v_role, v_option) then
      execute format('grant %I to current_user', v_role);
    end if;
  end loop;
end $$;

create schema sagalog authorization sagalog_owner;
grant usage on schema sagalog to sagalog_writer, sagalog_reader;

set local role sagalog_owner;

-- What has been applied: `digest` is the SHA-256 of the file, so that a file changed after its release is noticed.
create table sagalog.migration (
  number int primary key,
  name text not null,
  digest text not null,
  applied_at timestamptz not null default clock_timestamp()
);
grant select on sagalog.migration to sagalog_writer, sagalog_reader;

-- Database time, for leases and timers. Tests put another time into the setting `sagalog.now`; it reaches only the
-- session that set it, and not `recorded_at`, which is always the server's own clock.
create function sagalog.now() returns timestamptz
language sql volatile parallel safe
as $$ select coalesce(nullif(current_setting('sagalog.now', true), '')::timestamptz, clock_timestamp()) $$;
grant execute on function sagalog.now() to sagalog_writer, sagalog_reader;
