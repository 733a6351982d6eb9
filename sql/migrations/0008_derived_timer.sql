-- Timers that are set: one row for each record `timer.set` that no `timer.fired` or `timer.cancelled` has answered yet. The
-- append functions keep it, in the transaction of the records (see 0009); `sagalog rebuild` runs this file and recomputes it.
set local role sagalog_owner;

-- `timer` is the version of the record that set it, `due` microseconds since 1970, both as in its facts. Rows come and go
-- with each wait, so dead ones are cleaned up early.
create table if not exists sagalog.timer (
  stream_id uuid not null,
  timer bigint not null,
  due bigint not null,
  primary key (stream_id, timer)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
-- Who looks for what is due reads this from its low end, however many wait behind.
create index if not exists timer_due_idx on sagalog.timer (due);

grant select on sagalog.timer to sagalog_writer, sagalog_reader;
