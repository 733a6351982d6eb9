set local role sagalog_owner;

-- Wait until nobody holds the head of a stream: a transaction whose fate is in doubt has ended then, one way or the other,
-- and a later statement sees what it left.
create function sagalog.await_stream(p_stream uuid) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform from sagalog.stream where stream_id = p_stream for no key update;
  return found;
end $$;
revoke all on function sagalog.await_stream from public;
grant execute on function sagalog.await_stream to sagalog_writer;
