-- A transactional task: its code runs as the role that connected, the append behind it as the writer.

-- name: tx_begin
begin

-- name: tx_mark
-- The role and the mark hold until the end of this transaction: if the task's code ends it, the mark is gone.
select set_config('role', 'none', true), set_config('sagalog.transaction', $1::text, true)

-- name: tx_immediate
-- What the task deferred happens now, as the role that it wrote with, and what it breaks is the task's failure.
set constraints all immediate

-- name: tx_close
-- Whether it is still the transaction that was begun; from here on the writer acts, and as `settle` says, whatever the task
-- has set: its settings reach neither the commit of its outcome nor those after it.
select current_setting('sagalog.transaction', true), set_config('role', 'sagalog_writer', false),
       set_config('synchronous_commit',
         case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false),
       set_config('default_transaction_isolation', 'read committed', false), set_config('TimeZone', 'UTC', false)

-- name: tx_commit
commit

-- name: tx_rollback
rollback

-- name: settled
-- Waits for whoever still holds the head of the stream, a lost transaction of ours perhaps; then a later statement looks.
select sagalog.await_stream($1::uuid)
