-- Workers, their leases, the streams they hold, the inbox, and timers.

-- name: enroll
select sagalog.enroll($1::uuid, $2::text, $3::int, $4::text, make_interval(secs => $5::float8))

-- name: beat
select sagalog.beat($1::uuid, make_interval(secs => $2::float8))

-- name: leave
select sagalog.leave($1::uuid)

-- name: workers
select id, host, pid, started, lease_until from sagalog.worker order by lease_until, id

-- name: take
select taken, version, head, epoch, owner, host, pid, started, lease_until
from sagalog.take($1::uuid, $2::uuid, $3::boolean)

-- name: release
select sagalog.release($1::uuid, $2::bigint)

-- name: post
select sagalog.post($1::uuid, $2::uuid, $3::text, $4::bytea, $5::text)

-- name: inbox
select message_id, stream_id, kind, body, sender, sent_at from sagalog.inbox
where stream_id = any ($1::uuid[])
order by arrival

-- name: inbox_of
-- Of all streams that a worker owns. The inbox is nearly always empty, so it comes first; the LIMIT keeps the planner from
-- reading all heads instead.
select q.message_id, q.stream_id, q.kind, q.body, q.sender, q.sent_at
from sagalog.inbox q
cross join lateral (select s.owner from sagalog.stream s where s.stream_id = q.stream_id limit 1) s
where s.owner = $1::uuid
order by q.arrival

-- name: discard
select sagalog.discard($1::uuid, $2::bigint, $3::uuid[])

-- name: due
-- A stream once, by its earliest timer, behind ($3, $4). Where nothing at all is due, which is so nearly always, the first
-- condition is all that is looked at; LIMIT as above.
select stream_id, due
from (
  select t.stream_id, min(t.due) as due
  from sagalog.timer t
  cross join lateral (select s.owner from sagalog.stream s where s.stream_id = t.stream_id limit 1) s
  left join sagalog.worker w on w.id = s.owner
  where (select min(due) from sagalog.timer) <= $1::bigint and t.due <= $1::bigint
    and (w.lease_until is null or w.lease_until <= (select sagalog.now()))
  group by t.stream_id
) free
where (due, stream_id) > ($3::bigint, $4::uuid)
order by due, stream_id
limit $2::bigint

-- name: next_due
select min(due) from sagalog.timer where due > $1::bigint
