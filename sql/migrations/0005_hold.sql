-- Who may append: workers give signs of life, streams are taken from those that give none.
set local role sagalog_owner;

create type sagalog.holding as (
  taken boolean, version bigint, head bytea, epoch bigint, owner uuid,
  host text, pid int, started text, lease_until timestamptz
);

create function sagalog.enroll(p_id uuid, p_host text, p_pid int, p_started text, p_lease interval) returns timestamptz
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into sagalog.worker (id, host, pid, started, lease_until)
  values (p_id, p_host, p_pid, p_started, sagalog.now() + p_lease)
  on conflict (id) do update set lease_until = excluded.lease_until
  returning lease_until
$$;

-- Null: there is no such worker (any more), so nothing it holds is its own for certain.
create function sagalog.beat(p_id uuid, p_lease interval) returns timestamptz
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update sagalog.worker set lease_until = sagalog.now() + p_lease where id = p_id returning lease_until
$$;

-- A worker that is not there is as good as one whose lease has run out.
create function sagalog.leave(p_id uuid) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from sagalog.worker where id = p_id;
  return found;
end $$;

-- Take a stream that is free, one's own, left by a worker without a lease, or anybody's (`p_steal`). The new epoch fences
-- out whoever had it. No row: no such stream. Not taken: the row says who has it, and until when.
create function sagalog.take(p_stream uuid, p_worker uuid, p_steal boolean) returns setof sagalog.holding
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v sagalog.holding;
begin
  select version, head, epoch, owner into v.version, v.head, v.epoch, v.owner
    from sagalog.stream where stream_id = p_stream for no key update;
  if not found then
    return;
  end if;
  if v.owner is not null and v.owner <> p_worker then
    select host, pid, started, lease_until into v.host, v.pid, v.started, v.lease_until
      from sagalog.worker where id = v.owner;
  end if;
  v.taken := p_steal or coalesce(v.lease_until <= sagalog.now(), true);
  if v.taken then
    v.epoch := v.epoch + 1;
    v.owner := p_worker;
    update sagalog.stream set epoch = v.epoch, owner = v.owner where stream_id = p_stream;
  end if;
  return next v;
end $$;

-- Give a stream back without a record; false: it was not ours any more.
create function sagalog.release(p_stream uuid, p_epoch bigint) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update sagalog.stream set owner = null where stream_id = p_stream and epoch = p_epoch;
  return found;
end $$;

-- A message for a stream, also from a caller's own transaction: posted, known (its id is waiting there already) or unknown
-- (no such stream). Once it has been accepted its id is in the stream, which is where its owner looks for repeats.
create function sagalog.post(p_stream uuid, p_message uuid, p_kind text, p_body bytea, p_sender text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from sagalog.stream where stream_id = p_stream) then
    return 'unknown';
  end if;
  insert into sagalog.inbox (stream_id, message_id, kind, body, sender)
  values (p_stream, p_message, p_kind, p_body, p_sender)
  on conflict do nothing;
  return case when found then 'posted' else 'known' end;
end $$;

-- Drop messages that the stream has accepted before (they were sent again); only the holder of the epoch may.
create function sagalog.discard(p_stream uuid, p_epoch bigint, p_messages uuid[]) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone int;
begin
  perform from sagalog.stream where stream_id = p_stream and epoch = p_epoch for no key update;
  if not found then
    return null;
  end if;
  delete from sagalog.inbox where stream_id = p_stream and message_id = any (p_messages);
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

revoke all on function sagalog.enroll, sagalog.beat, sagalog.leave, sagalog.take, sagalog.release, sagalog.post,
  sagalog.discard from public;
grant execute on function sagalog.enroll, sagalog.beat, sagalog.leave, sagalog.take, sagalog.release, sagalog.post,
  sagalog.discard to sagalog_writer;
