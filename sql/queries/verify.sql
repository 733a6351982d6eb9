-- Verification and export: the whole log, or one stream, in pages by (stream, version), each a picture of one moment.

-- name: verify_page
-- A page ends after $4 records or about $5 bytes, so that memory stays bounded whatever the values' size; their lengths
-- are known without fetching them. The head comes with the record and from the same snapshot: a stream that grows
-- meanwhile is never taken for one that has lost its tail. LIMIT keeps the planner from hashing all heads for each page.
with page as (
  select r.*, octet_length(r.facts) + coalesce(octet_length(r.value), 0) + coalesce(octet_length(r.meta), 0) as size
  from sagalog.record r
  where r.stream_id >= $1::uuid and (r.stream_id, r.version) > ($1::uuid, $2::bigint) and r.stream_id <= $3::uuid
  order by r.stream_id, r.version
  limit $4::bigint
), measured as (
  select page.*, sum(size) over (order by stream_id, version rows unbounded preceding) - size as before from page
)
select m.position, m.stream_id, m.version, uuid_send(m.record_id), m.type, m.schema_version, m.epoch, m.actor,
       timestamptz_send(m.occurred_at), m.recorded_at, m.correlation_id, uuid_send(m.causation_id), m.facts, m.value,
       m.encoding, m.key_id, m.salt, m.value_digest, m.meta, m.hash, s.version, s.head, s.epoch, s.owner
from measured m
left join lateral (select * from sagalog.stream h where h.stream_id = m.stream_id limit 1) s on true
where m.before < $5::bigint
order by m.stream_id, m.version

-- name: verify_bare_heads
-- Heads of which every record is gone.
select s.stream_id, s.version, s.head, s.epoch, s.owner
from sagalog.stream s
where s.stream_id > $1::uuid and s.version > 0
  and not exists (select from sagalog.record r where r.stream_id = s.stream_id)
order by s.stream_id
limit $2::bigint

-- name: verify_expected
-- How many records there should be, for a progress bar.
select coalesce(sum(version), 0)::bigint from sagalog.stream where stream_id between $1::uuid and $2::uuid
