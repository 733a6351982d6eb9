-- What a connection is told when it is opened, and around a transactional task's own code.

-- name: schema
-- null when there is no schema of ours.
select to_regclass('sagalog.migration') is not null

-- name: migrations
select number, name, digest from sagalog.migration order by number

-- name: become_writer
set role sagalog_writer

-- name: become_self
reset role

-- name: settle
-- A commit that is acknowledged is on disk, each statement has its own snapshot, times come in UTC: whatever the
-- defaults of server, database and role are.
select set_config('synchronous_commit',
         case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false),
       set_config('default_transaction_isolation', 'read committed', false), set_config('TimeZone', 'UTC', false)

-- name: ensure_partitions
select sagalog.ensure_partitions()
