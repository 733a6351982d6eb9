-- A transactional task: its code runs as the role that connected, the append behind it as the writer.

-- name: tx_begin
begin

-- name: tx_mark
-- The role and the mark hold until the end of this transaction: if the task's code ends it, the mark is gone.
select set_config('role', 'none', true), set_config('sagalog.transaction', $1::text, true)

-- name: tx_close
-- Whether it is still the transaction that was begun; from here on the writer acts.
select current_setting('sagalog.transaction', true), set_config('role', 'sagalog_writer', true)

-- name: tx_commit
commit

-- name: tx_rollback
rollback

-- name: settled
-- Waits for whoever still holds the head of the stream, a lost transaction of ours perhaps; then a later statement looks.
select sagalog.await_stream($1::uuid)
