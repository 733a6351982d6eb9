-- The append functions of 0004 (what they do and why stands there), which now keep the table of timers too.
set local role sagalog_owner;

-- Arrays by record. A record that sets a timer comes before the one that ends it, be it in the same call; its id is its
-- version, so no timer is ever set twice. Facts that do not say what they must are bad data: that stream is refused.
-- Written under the lock of the stream's head only, hence without deadlocks of its own.
create function sagalog.keep_timers(p_stream uuid[], p_type text[], p_facts bytea[]) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
begin
  insert into sagalog.timer (stream_id, timer, due)
  select p_stream[n], (f ->> 'timer')::bigint, (f ->> 'due')::bigint
    from (select n, convert_from(p_facts[n], 'UTF8')::jsonb as f
            from generate_subscripts(p_type, 1) n where p_type[n] = 'timer.set') r;
  delete from sagalog.timer t
   using (select p_stream[n] as stream_id, (convert_from(p_facts[n], 'UTF8')::jsonb ->> 'timer')::bigint as timer
            from generate_subscripts(p_type, 1) n where p_type[n] in ('timer.fired', 'timer.cancelled')) r
   where t.stream_id = r.stream_id and t.timer = r.timer;
end $$;

create or replace function sagalog.append(
  p_stream uuid[], p_expected bigint[], p_epoch bigint[], p_previous bytea[], p_owner uuid[], p_namespace text[],
  p_actor text[], p_occurred timestamptz[], p_correlation uuid[], p_before int[], p_count int[],
  p_line int[], p_record uuid[], p_type text[], p_schema int[], p_facts bytea[], p_value bytea[], p_encoding text[],
  p_key text[], p_meta bytea[], p_causation uuid[], p_salt bytea[], p_digest bytea[], p_hash bytea[],
  p_definition text[], p_body bytea[],
  p_claim_line int[], p_scope text[], p_claim text[],
  p_accepted_line int[], p_accepted uuid[]
) returns setof sagalog.refusal
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
declare
  n_streams int := cardinality(p_stream);
  n_records int := cardinality(p_record);
  v_at timestamptz;
  v_user text := session_user;
  v_ids uuid[];
  v_versions bigint[];
  v_epochs bigint[];
  v_heads bytea[];
  v_plain boolean;                   -- nothing is created, claimed or accepted, and every stream is as expected
  v_status text[];                   -- by stream; null: to be appended
  v_refusals sagalog.refusal[];
  v_refusal sagalog.refusal;
  v_held record;
  v_fresh int[];
  v_suspect int[];
  v_made uuid[];
  v_made_scope text[];
  v_made_claim text[];
  v_found uuid[];
  j int := 1;
  i int;
  c int;
begin
  if n_records <> p_before[n_streams] + p_count[n_streams] or n_records <> cardinality(p_line) then
    raise exception 'sagalog.append: % records, but the streams have %', n_records,
      p_before[n_streams] + p_count[n_streams] using errcode = 'array_subscript_error';
  end if;

  -- (1) The head rows, in the order of their ids. What a locked row returns is its newest version.
  select array_agg(h.stream_id), array_agg(h.version), array_agg(h.epoch), array_agg(h.head)
    into v_ids, v_versions, v_epochs, v_heads
    from (select s.stream_id, s.version, s.epoch, s.head from sagalog.stream s
           where s.stream_id = any (p_stream) order by s.stream_id for no key update) h;
  v_plain := v_ids = p_stream and v_versions = p_expected and v_epochs = p_epoch and v_heads = p_previous
             and p_claim_line is null and p_accepted_line is null;

  if v_plain is not true then
    v_status := array_fill(null::text, array[n_streams]);
    for i in 1..n_streams loop
      if i > 1 and p_stream[i] <= p_stream[i - 1] then
        raise exception 'sagalog.append: streams must come by ascending id, each once' using errcode = 'array_subscript_error';
      end if;
      if j <= cardinality(v_ids) and v_ids[j] = p_stream[i] then
        if v_versions[j] <> p_expected[i] then
          v_suspect := v_suspect || i;
        elsif v_epochs[j] <> p_epoch[i] then
          v_status[i] := 'fenced';
          v_refusals := v_refusals || row(p_stream[i], 'fenced', v_versions[j], v_epochs[j], null,
            format('expected epoch %s, found %s', p_epoch[i], v_epochs[j]), null)::sagalog.refusal;
        elsif v_heads[j] <> p_previous[i] then
          v_status[i] := 'conflict';
          v_refusals := v_refusals || row(p_stream[i], 'conflict', v_versions[j], v_epochs[j], null,
            'the head hash is not the one that the new records follow', null)::sagalog.refusal;
        end if;
        j := j + 1;
      elsif p_expected[i] = 0 then
        v_fresh := v_fresh || i;
      else
        v_status[i] := 'conflict';
        v_refusals := v_refusals || row(p_stream[i], 'conflict', 0, 0, null,
          format('expected version %s, found no such stream', p_expected[i]), null)::sagalog.refusal;
      end if;
    end loop;

    -- Claims of new streams that somebody has for certain: a job submitted a second time makes nothing at all.
    if v_fresh is not null and p_claim_line is not null then
      for v_held in select * from sagalog.held(p_stream, p_claim_line, p_scope, p_claim) loop
        if v_status[v_held.line] is null and v_held.line = any (v_fresh) then
          v_status[v_held.line] := 'claimed';
          v_refusals := v_refusals || row(p_stream[v_held.line], 'claimed', 0, p_epoch[v_held.line], v_held.holder,
            v_held.detail, null)::sagalog.refusal;
        end if;
      end loop;
    end if;

    -- New streams. One that somebody else is creating is waited for here, and compared below.
    if v_fresh is not null then
      with made as (
        insert into sagalog.stream (stream_id, version, epoch, owner, head, namespace)
        select p_stream[f], p_count[f], p_epoch[f], p_owner[f], p_hash[p_before[f] + p_count[f]], p_namespace[f]
          from unnest(v_fresh) f where v_status[f] is null
        on conflict do nothing returning stream_id)
      select array_agg(stream_id) into v_made from made;
      j := 1;
      foreach i in array v_fresh loop
        continue when v_status[i] is not null;
        if j <= cardinality(v_made) and v_made[j] = p_stream[i] then
          j := j + 1;
        else
          v_suspect := v_suspect || i;
        end if;
      end loop;
    end if;

    -- (2) In later statements, whose snapshots have what was committed while (1) waited: are these the very records
    -- that stand there? Then a first try had got through, and this one has too, even if the epoch has moved on.
    foreach i in array coalesce(v_suspect, '{}') loop
      v_refusal := null;
      v_refusal.stream_id := p_stream[i];
      select s.version, s.epoch into v_refusal.version, v_refusal.epoch from sagalog.stream s where s.stream_id = p_stream[i];
      select array_agg(r.record_id order by r.version), (array_agg(r.hash order by r.version desc))[1]
        into v_found, v_refusal.hash
        from sagalog.record r
       where r.stream_id = p_stream[i] and r.version > p_expected[i] and r.version <= p_expected[i] + p_count[i];
      -- (3) Otherwise the version is not the one expected; a moved epoch says more than that.
      if v_found = p_record[p_before[i] + 1 : p_before[i] + p_count[i]] then
        v_refusal.status := 'duplicate';
        v_refusal.version := p_expected[i] + p_count[i];
      elsif p_expected[i] > 0 and v_refusal.epoch <> p_epoch[i] then
        v_refusal.status := 'fenced';
        v_refusal.detail := format('expected epoch %s, found %s', p_epoch[i], v_refusal.epoch);
        v_refusal.hash := null;
      else
        v_refusal.status := 'conflict';
        v_refusal.detail := format('expected version %s, found %s', p_expected[i], v_refusal.version);
        v_refusal.hash := null;
      end if;
      v_status[i] := v_refusal.status;
      v_refusals := v_refusals || v_refusal;
    end loop;

    -- Messages leave the inbox under the lock of their stream only, so what is found here is there below.
    for c in 1..coalesce(cardinality(p_accepted_line), 0) loop
      i := p_accepted_line[c];
      if v_status[i] is null
         and not exists (select from sagalog.inbox q where q.stream_id = p_stream[i] and q.message_id = p_accepted[c]) then
        v_status[i] := 'conflict';
        v_refusals := v_refusals || row(p_stream[i], 'conflict', p_expected[i], p_epoch[i], null,
          format('message %s is not in the inbox: it has been accepted already', p_accepted[c]), null)::sagalog.refusal;
      end if;
    end loop;

    -- Claims of streams that are still to be appended. One that the stream holds already is as good as new.
    if p_claim_line is not null then
      with asked as (
        select p_stream[p_claim_line[q]] as stream_id, p_scope[q] as scope, p_claim[q] as key
          from generate_subscripts(p_claim_line, 1) q where v_status[p_claim_line[q]] is null),
      made as (
        insert into sagalog.claim (scope, key, stream_id)
        select a.scope, a.key, a.stream_id from asked a order by a.scope, a.key, a.stream_id
        on conflict do nothing returning scope, key)
      select array_agg(scope), array_agg(key) into v_made_scope, v_made_claim from made;
      for v_held in select * from sagalog.held(p_stream, p_claim_line, p_scope, p_claim) loop
        if v_status[v_held.line] is null then
          v_status[v_held.line] := 'claimed';
          v_refusals := v_refusals || row(p_stream[v_held.line], 'claimed', p_expected[v_held.line],
            p_epoch[v_held.line], v_held.holder, v_held.detail, null)::sagalog.refusal;
        end if;
      end loop;
    end if;

    -- A refused stream gets nothing at all: what was made for it above goes again.
    if v_refusals is not null then
      delete from sagalog.claim k using generate_subscripts(v_made_claim, 1) q
       where k.scope = v_made_scope[q] and k.key = v_made_claim[q]
         and k.stream_id = any (select r.stream_id from unnest(v_refusals) r);
      delete from sagalog.stream s
       where s.stream_id = any (v_made) and s.stream_id = any (select r.stream_id from unnest(v_refusals) r);
      if cardinality(v_refusals) = n_streams then
        return query select * from unnest(v_refusals);
        return;
      end if;
    end if;
  end if;

  if p_definition is not null then
    insert into sagalog.definition (hash, body)
    select p_definition[d], p_body[d] from generate_subscripts(p_definition, 1) d order by p_definition[d]
    on conflict do nothing;
  end if;

  -- (4) Advertise the floor, then take positions: see the top of this file. Nobody takes this lock exclusively, so
  -- the try always succeeds; unlike the waiting form it can stand in a plain expression.
  if not pg_try_advisory_xact_lock_shared((21345::bigint << 48) | pg_sequence_last_value('sagalog.record_position')) then
    raise exception 'sagalog.append: the lock that advertises positions is held exclusively by another session'
      using errcode = 'lock_not_available';
  end if;
  v_at := clock_timestamp();  -- under the lock, so that it does not go back within a stream
  insert into sagalog.record (
    position, stream_id, version, record_id, epoch, occurred_at, recorded_at, schema_version, type, actor, db_user,
    correlation_id, causation_id, encoding, key_id, salt, value_digest, hash, facts, meta, value)
  select nextval('sagalog.record_position'), p_stream[l], p_expected[l] + n - p_before[l], p_record[n], p_epoch[l],
         p_occurred[l], v_at, p_schema[n], p_type[n], p_actor[l], v_user,
         p_correlation[l], p_causation[n], p_encoding[n], p_key[n], p_salt[n], p_digest[n], p_hash[n], p_facts[n],
         p_meta[n], p_value[n]
    from (select g as n, p_line[g] as l from generate_series(1, n_records) g) r
   where v_plain or v_status[l] is null;
  update sagalog.stream s
     set version = p_expected[g] + p_count[g], head = p_hash[p_before[g] + p_count[g]], owner = p_owner[g]
    from generate_series(1, n_streams) g
   where s.stream_id = p_stream[g] and p_expected[g] > 0 and (v_plain or v_status[g] is null);
  if p_accepted_line is not null then
    delete from sagalog.inbox q using generate_subscripts(p_accepted_line, 1) g
     where q.stream_id = p_stream[p_accepted_line[g]] and q.message_id = p_accepted[g]
       and v_status[p_accepted_line[g]] is null;
  end if;
  if p_type && '{timer.set,timer.fired,timer.cancelled}' then
    perform sagalog.keep_timers(array_agg(p_stream[p_line[n]]), array_agg(p_type[n]), array_agg(p_facts[n]))
       from generate_series(1, n_records) n
      where p_type[n] like 'timer.%' and (v_plain or v_status[p_line[n]] is null);
  end if;
  if v_refusals is not null then
    return query select * from unnest(v_refusals);
  end if;
end $$;

create or replace function sagalog.append_one(
  p_stream uuid, p_expected bigint, p_epoch bigint, p_previous bytea, p_owner uuid,
  p_actor text, p_occurred timestamptz, p_correlation uuid,
  p_record uuid[], p_type text[], p_schema int[], p_facts bytea[], p_value bytea[], p_encoding text[],
  p_key text[], p_meta bytea[], p_causation uuid[], p_salt bytea[], p_digest bytea[], p_hash bytea[]
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  n_records int := cardinality(p_record);
  v_at timestamptz;
  v_user text := session_user;
begin
  update sagalog.stream
     set version = p_expected + n_records, head = p_hash[n_records], owner = p_owner
   where stream_id = p_stream and version = p_expected and epoch = p_epoch and head = p_previous;
  if not found then
    return false;
  end if;
  if not pg_try_advisory_xact_lock_shared((21345::bigint << 48) | pg_sequence_last_value('sagalog.record_position')) then
    raise exception 'sagalog.append_one: the lock that advertises positions is held exclusively by another session'
      using errcode = 'lock_not_available';
  end if;
  v_at := clock_timestamp();  -- under the lock, so that it does not go back within a stream
  insert into sagalog.record (
    position, stream_id, version, record_id, epoch, occurred_at, recorded_at, schema_version, type, actor, db_user,
    correlation_id, causation_id, encoding, key_id, salt, value_digest, hash, facts, meta, value)
  select nextval('sagalog.record_position'), p_stream, p_expected + n, p_record[n], p_epoch,
         p_occurred, v_at, p_schema[n], p_type[n], p_actor, v_user,
         p_correlation, p_causation[n], p_encoding[n], p_key[n], p_salt[n], p_digest[n], p_hash[n], p_facts[n],
         p_meta[n], p_value[n]
    from generate_series(1, n_records) n;
  if p_type && '{timer.set,timer.fired,timer.cancelled}' then
    perform sagalog.keep_timers(array_fill(p_stream, array[n_records]), p_type, p_facts);
  end if;
  return true;
end $$;

revoke all on function sagalog.keep_timers from public;
