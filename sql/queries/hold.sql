-- Workers, their leases, the streams they hold, and the inbox.

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

-- name: discard
select sagalog.discard($1::uuid, $2::bigint, $3::uuid[])
