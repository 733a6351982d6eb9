-- The log: written by two functions (why they do what they do stands in 0004_append.sql), read by plain selects.

-- name: append
select stream_id, status, version, epoch, holder, detail, hash from sagalog.append(
  $1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[], $9::uuid[],
  $10::int[], $11::int[], $12::int[], $13::uuid[], $14::text[], $15::int[], $16::bytea[], $17::bytea[], $18::text[],
  $19::text[], $20::bytea[], $21::uuid[], $22::bytea[], $23::bytea[], $24::bytea[], $25::text[], $26::bytea[],
  $27::int[], $28::text[], $29::text[], $30::int[], $31::uuid[])

-- name: append_one
select sagalog.append_one(
  $1::uuid, $2::bigint, $3::bigint, $4::bytea, $5::uuid, $6::text, $7::timestamptz, $8::uuid, $9::uuid[], $10::text[],
  $11::int[], $12::bytea[], $13::bytea[], $14::text[], $15::text[], $16::bytea[], $17::uuid[], $18::bytea[],
  $19::bytea[], $20::bytea[])

-- name: read
-- occurred_at goes out as the eight bytes it is kept in (microseconds since 2000): exact, and no datetime is built.
select position, stream_id, version, uuid_send(record_id), type, schema_version, epoch, actor,
       timestamptz_send(occurred_at), recorded_at, correlation_id, uuid_send(causation_id), facts, value, encoding, key_id,
       salt, value_digest, meta, hash
from sagalog.record
where stream_id = $1::uuid and version >= $2::bigint
order by version
limit $3::bigint

-- name: read_columns
-- What a run is folded from; `read` has fourteen columns more.
select version, type, schema_version, timestamptz_send(occurred_at), facts, value
from sagalog.record
where stream_id = $1::uuid
order by version

-- name: count_until
select count(*) from sagalog.record where stream_id = $1::uuid and recorded_at <= $2::timestamptz

-- name: read_light
-- What a fold needs, and no more: the values stay where they are.
select version, uuid_send(record_id), type, schema_version, timestamptz_send(occurred_at), facts, hash
from sagalog.record
where stream_id = $1::uuid and version >= $2::bigint
order by version
limit $3::bigint

-- name: read_value
select value, encoding, key_id from sagalog.record where stream_id = $1::uuid and version = $2::bigint

-- name: read_values
select version, value, encoding, key_id from sagalog.record
where stream_id = $1::uuid and version = any ($2::bigint[])
order by version

-- name: head
select stream_id, version, head, epoch, owner from sagalog.stream where stream_id = $1::uuid

-- name: find
select stream_id from sagalog.stream where stream_id between $1::uuid and $2::uuid order by stream_id limit $3::int

-- name: claimed
select stream_id from sagalog.claim where scope = $1::text and key = $2::text

-- name: horizon
-- In autocommit, or in a READ COMMITTED transaction, always a statement before the one that selects.
select sagalog.horizon()

-- name: tail
select position, stream_id, version, uuid_send(record_id), type, schema_version, epoch, actor,
       timestamptz_send(occurred_at), recorded_at, correlation_id, uuid_send(causation_id), facts, null::bytea, encoding,
       key_id, salt, value_digest, meta, hash
from sagalog.record
where position > $1::bigint and position <= $2::bigint
order by position
limit $3::bigint

-- name: definition
select body from sagalog.definition where hash = $1::text

-- name: now
select timestamptz_send(sagalog.now())
