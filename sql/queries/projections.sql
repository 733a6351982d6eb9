-- What every projection reads of the log. Its rows and its checkpoint are written by one function of its own.

-- name: projection_checkpoint
select position from sagalog.checkpoint where projection = $1::text

-- name: projection_goal
-- The highest position that has been handed out: all that has been committed by now lies at or below it.
select last_value from sagalog.record_position

-- name: projection_tail
-- Facts only; $2 must come from sagalog.horizon, in an earlier statement.
select position, stream_id, version, type, schema_version, timestamptz_send(occurred_at), facts
from sagalog.record
where position > $1::bigint and position <= $2::bigint
order by position
limit $3::bigint

-- name: projection_wait
-- Writers between taking positions and committing hold the horizon down, for milliseconds as a rule.
select pg_sleep($1::float8)
