-- What is derived, computed anew: as sagalog_owner, in one transaction.

-- name: rebuild_count
select count(*) from sagalog.stream

-- name: rebuild_empty
-- Waits for appends that are under way, and holds up all others until the end.
truncate sagalog.stream, sagalog.claim, sagalog.worker, sagalog.timer

-- name: rebuild_page
-- The next streams by id: one step down the index for each, however long they are; then its last record and its first.
with recursive walk as (
  (select stream_id from sagalog.record where stream_id > $1::uuid order by stream_id limit 1)
  union all
  select (select r.stream_id from sagalog.record r where r.stream_id > w.stream_id order by r.stream_id limit 1)
  from walk w where w.stream_id is not null
), page as (
  select stream_id from walk where stream_id is not null limit $2::int
)
select p.stream_id, l.version, l.epoch, l.hash, f.type, f.facts
from page p
cross join lateral (select version, epoch, hash from sagalog.record r where r.stream_id = p.stream_id
                    order by version desc limit 1) l
cross join lateral (select type, facts from sagalog.record r where r.stream_id = p.stream_id order by version limit 1) f
order by p.stream_id

-- name: rebuild_heads
insert into sagalog.stream (stream_id, version, epoch, owner, head, namespace)
select u.stream_id, u.version, u.epoch, null, u.head, u.namespace
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[]) u (stream_id, version, epoch, head, namespace)

-- name: rebuild_claims
insert into sagalog.claim (scope, key, stream_id)
select u.scope, u.key, u.stream_id from unnest($1::text[], $2::text[], $3::uuid[]) u (scope, key, stream_id)
on conflict do nothing

-- name: rebuild_timers
-- One walk over the whole log: there is no index on the type. What is set and not answered is left.
with said as materialized (
  select stream_id, type, convert_from(facts, 'UTF8')::jsonb as facts from sagalog.record
  where type in ('timer.set', 'timer.fired', 'timer.cancelled')
), ended as (
  select stream_id, (facts ->> 'timer')::bigint as timer from said where type <> 'timer.set'
), made as (
  insert into sagalog.timer (stream_id, timer, due)
  select s.stream_id, (s.facts ->> 'timer')::bigint, (s.facts ->> 'due')::bigint
  from said s
  where s.type = 'timer.set'
    and not exists (select from ended e where e.stream_id = s.stream_id and e.timer = (s.facts ->> 'timer')::bigint)
  returning 1
)
select count(*) from made
