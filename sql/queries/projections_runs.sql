-- The read model of runs.

-- name: runs_load
select run_id, flow, state, version, definition, key, timestamptz_send(created_at), timestamptz_send(updated_at),
       timestamptz_send(started_at), timestamptz_send(finished_at), reason_version, failure_version, revert_failure_version
from sagalog.run where run_id = any ($1::uuid[])

-- name: runs_save
select sagalog.project_runs($1::bigint, $2::bigint, $3::text::jsonb)

-- name: runs_reset
select sagalog.reset_runs()

-- name: runs_page
-- Oldest first, behind the run ($1, $2). A state is not indexed: it changes with every step, and the index with it.
-- What a record says by its value is fetched for the rows of this page alone; LIMIT keeps the planner from hashing the log.
with page as (
  select * from sagalog.run
  where (created_at, run_id) > ($1::timestamptz, $2::uuid)
    and ($3::text[] is null or state = any ($3::text[])) and ($4::text is null or flow = $4::text)
  order by created_at, run_id
  limit $5::bigint
)
select p.run_id, p.flow, p.state, p.version, p.definition, p.key, timestamptz_send(p.created_at),
       timestamptz_send(p.updated_at), timestamptz_send(p.started_at), timestamptz_send(p.finished_at), p.reason_version,
       p.failure_version, p.revert_failure_version, why.value, failed.value
from page p
left join lateral (
  select r.value from sagalog.record r where r.stream_id = p.run_id and r.version = p.reason_version limit 1) why on true
left join lateral (
  select r.value from sagalog.record r
  where r.stream_id = p.run_id and r.version = coalesce(p.revert_failure_version, p.failure_version) limit 1) failed on true
order by p.created_at, p.run_id
