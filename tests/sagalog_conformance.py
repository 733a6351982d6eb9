"""What every log must do, real or simulated: a suite that takes a fixture `log` and is run by inheriting from it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import cast
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sagalog_logkit import Log, again, appending, copy, record, stream, worker

from sagalog.store.chain import ZERO_HASH, relink
from sagalog.store.hold import Held
from sagalog.store.ids import record_ids, standing_id
from sagalog.store.shape import Append, Head, NewRecord, Refusal


class LogConformance:
    """Inherit, and provide a fixture `log` that gives a `Log`, empty or not."""

    # ---- append and read

    def test_a_record_is_read_as_it_was_appended(self, log: Log) -> None:
        head = stream(owner=uuid4())
        full = NewRecord(record_ids(1)[0], "a.b", 7, b'{"x":1}', b"\x00\xff", "json@1", "key-1", b'{"t":1}', b"c" * 16)
        correlation = uuid4()
        append = appending(head, records=[full, record(value=None)], actor="älice", correlation=correlation)
        assert log.append([append]) == []
        first, second = log.read(head.stream_id)
        assert (first.stream_id, first.version, first.epoch, first.actor) == (head.stream_id, 1, 1, "älice")
        assert (first.record_id, first.type, first.schema, first.facts, first.value) == full[:5]
        assert (first.encoding, first.key_id, first.meta, first.causation) == full[5:]
        assert (first.correlation, first.occurred_at) == (correlation, append.occurred_at)
        assert first.salt is not None and len(first.salt) == 16
        assert first.value_digest == hashlib.sha256(first.salt + b"\x00\xff").digest()
        assert (second.version, second.value, second.salt, second.value_digest) == (2, None, None, None)
        assert (second.encoding, second.key_id, second.meta, second.causation) == (None, None, None, None)
        assert second.position > first.position > 0

    def test_the_head_moves_and_the_chain_holds(self, log: Log) -> None:
        head = stream(owner=uuid4())
        for n in (1, 2, 3):
            assert log.append([appending(head, n)]) == []
        rows = log.read(head.stream_id)
        assert [row.version for row in rows] == [1, 2, 3, 4, 5, 6]
        previous = ZERO_HASH
        for row in rows:
            assert relink(row, previous) == row.hash
            previous = row.hash
        assert head.version == 6 and head.hash == previous
        assert log.head(head.stream_id) == head

    def test_reads_begin_and_end_where_they_are_told(self, log: Log) -> None:
        head = stream()
        log.append([appending(head, 5)])
        assert [row.version for row in log.read(head.stream_id, 3)] == [3, 4, 5]
        assert [row.version for row in log.read(head.stream_id, 2, 2)] == [2, 3]
        assert log.read(head.stream_id, 6) == []
        assert log.read(uuid4()) == []
        assert log.head(uuid4()) is None

    def test_the_owner_afterwards_is_the_one_given(self, log: Log) -> None:
        me, other = uuid4(), uuid4()
        head = stream(owner=me)
        log.append([appending(head)])
        log.append([appending(head, owner=other)])
        assert head.owner == other
        log.append([appending(head, owner=None)])
        stored = log.head(head.stream_id)
        assert stored is not None and stored.owner is None and head.owner is None

    def test_a_batch_of_new_and_old_streams(self, log: Log) -> None:
        old = [stream() for _ in range(3)]
        assert log.append([appending(head, 2) for head in old]) == []
        heads = [*old, *(stream() for _ in range(3))]
        assert log.append([appending(head, n) for n, head in enumerate(reversed(heads), 1)]) == []
        for head in heads:
            assert [row.version for row in log.read(head.stream_id)] == list(range(1, head.version + 1))
            assert log.head(head.stream_id) == head

    def test_standing_streams_are_streams(self, log: Log) -> None:
        head = Head(standing_id("default", f"rules {uuid4()}"), epoch=1)
        assert log.append([appending(head, 2)]) == []
        assert log.append([appending(head, 1)]) == []
        assert [row.version for row in log.read(head.stream_id)] == [1, 2, 3]

    def test_a_stream_twice_in_a_batch_or_without_records_is_a_mistake(self, log: Log) -> None:
        head = stream()
        with pytest.raises(ValueError, match="twice"):
            log.append([appending(head), appending(copy(head))])
        with pytest.raises(ValueError, match="without records"):
            log.append([Append(head, [], "tester", 0)])
        assert log.append([]) == []
        assert log.head(head.stream_id) is None

    # ---- refusals

    def test_who_is_late_is_refused_and_his_neighbours_are_not(self, log: Log) -> None:
        heads = [stream() for _ in range(3)]
        log.append([appending(head) for head in heads])
        late = copy(heads[1])
        log.append([appending(heads[1])])
        before = copy(late)
        refused = log.append([appending(heads[0]), appending(late, 2), appending(heads[2])])
        assert [(r.stream_id, r.status, r.version, r.epoch) for r in refused] == [(late.stream_id, "conflict", 2, 1)]
        assert "expected version 1, found 2" in refused[0].detail
        assert late == before
        assert [len(log.read(head.stream_id)) for head in heads] == [2, 2, 2]

    def test_a_stale_epoch_is_fenced_even_where_the_version_fits(self, log: Log) -> None:
        head = stream(owner=uuid4())
        log.append([appending(head)])
        stale = copy(head)
        taken = log.take(head.stream_id, uuid4(), steal=True)
        assert isinstance(taken, Head) and taken.epoch == 2
        for batch in ([appending(stale)], [appending(stale), appending(stream())]):
            refused = log.append(batch)
            assert [(r.status, r.version, r.epoch) for r in refused] == [("fenced", 1, 2)]
        log.append([appending(taken)])
        assert [r.status for r in log.append([appending(stale)])] == ["fenced"]
        assert len(log.read(head.stream_id)) == 2

    def test_a_stream_that_is_not_there_or_there_already(self, log: Log) -> None:
        head = stream()
        ahead = Head(head.stream_id, 3, b"h" * 32, 1)
        assert [r.status for r in log.append([appending(ahead)])] == ["conflict"]
        log.append([appending(head)])
        assert [r.status for r in log.append([appending(Head(head.stream_id, epoch=1))])] == ["conflict"]
        assert [r.status for r in log.append([appending(ahead)])] == ["conflict"]

    def test_another_hash_than_the_one_that_stands_there_is_refused(self, log: Log) -> None:
        head = stream()
        log.append([appending(head)])
        astray = copy(head)
        astray.hash = b"x" * 32
        for batch in ([appending(astray)], [appending(astray), appending(stream())]):
            refused = log.append(batch)
            assert [(r.stream_id, r.status) for r in refused] == [(head.stream_id, "conflict")]
            assert "hash" in refused[0].detail
        assert log.append([appending(head)]) == []

    # ---- duplicates

    @pytest.mark.parametrize("neighbours", [0, 2])
    def test_the_same_records_again_are_a_success_and_change_nothing(self, log: Log, neighbours: int) -> None:
        head = stream(owner=uuid4())
        log.append([appending(head)])
        start = copy(head)
        append = appending(head, 3)
        log.append([append])
        rows = log.read(head.stream_id)
        behind = copy(start)
        others = [appending(stream()) for _ in range(neighbours)]
        assert log.append([again(append, behind), *others]) == []
        assert behind == head
        assert log.read(head.stream_id) == rows
        log.append([appending(behind)])
        assert [r.version for r in log.read(head.stream_id)] == [1, 2, 3, 4, 5]

    def test_a_duplicate_is_one_for_a_stale_epoch_too(self, log: Log) -> None:
        head = stream(owner=uuid4())
        start = copy(head)
        append = appending(head, 2)
        log.append([append])
        taken = log.take(head.stream_id, uuid4(), steal=True)
        assert isinstance(taken, Head)
        log.append([appending(taken)])
        behind = copy(start)
        assert log.append([again(append, behind)]) == []
        assert (behind.version, behind.hash) == (2, log.read(head.stream_id)[1].hash)
        assert [r.status for r in log.append([appending(behind)])] == ["fenced"]

    def test_only_all_of_the_records_make_a_duplicate(self, log: Log) -> None:
        head = stream()
        append = appending(head, 2)
        log.append([append])
        start = Head(head.stream_id, epoch=1)
        more = replace(append, head=copy(start), records=[*append.records, record()])
        other = replace(append, head=copy(start), records=[append.records[0], record()])
        swapped = replace(append, head=copy(start), records=list(reversed(append.records)))
        for wrong in (more, other, swapped):
            assert [r.status for r in log.append([wrong])] == ["conflict"]
        assert log.append([replace(append, head=start, records=append.records[:1])]) == []
        assert start.version == 1

    # ---- claims, definitions, accepted messages

    def test_a_key_is_claimed_once(self, log: Log) -> None:
        key = ("run", f"key {uuid4()}")
        head, late = stream(), stream()
        append = appending(head, claims=(key,))
        assert log.append([append]) == []
        assert log.claimed(*key) == head.stream_id
        refused = log.append([appending(late, claims=(key,)), appending(stream())])
        assert [(r.stream_id, r.status, r.holder) for r in refused] == [(late.stream_id, "claimed", head.stream_id)]
        assert key[1] in refused[0].detail
        assert log.head(late.stream_id) is None and log.read(late.stream_id) == [] and late.version == 0
        assert log.append([again(append, Head(head.stream_id, epoch=1))]) == []

    def test_a_refused_stream_keeps_none_of_its_claims(self, log: Log) -> None:
        taken, free = ("run", f"a {uuid4()}"), ("run", f"b {uuid4()}")
        holder, old, late = stream(), stream(), stream()
        log.append([appending(holder, claims=(taken,)), appending(old)])
        for head in (late, old):
            assert [r.status for r in log.append([appending(head, claims=(free, taken))])] == ["claimed"]
            assert log.claimed(*free) is None
        assert old.version == 1 and log.append([appending(old, claims=(free,))]) == []
        assert log.claimed(*free) == old.stream_id
        assert log.append([appending(old, claims=(free,))]) == []

    @pytest.mark.parametrize("there", [True, False])
    def test_a_claim_that_a_refused_neighbour_asked_for_too(self, log: Log, there: bool) -> None:
        """Who is certain to be refused claims nothing; who is refused later has been in the way of its neighbours."""
        taken, free = ("run", f"a {uuid4()}"), ("run", f"b {uuid4()}")
        holder, neighbour = stream(), stream()
        first, second = sorted((stream(), stream()), key=lambda head: head.stream_id)
        log.append([appending(holder, claims=(taken,)), *(appending(head) for head in (first, second) if there)])
        late = [appending(first, claims=(taken, free)), appending(second, claims=(free,))]
        refused = {r.stream_id: (r.status, r.holder) for r in log.append([*late, appending(neighbour)])}
        assert refused.pop(first.stream_id) == ("claimed", holder.stream_id)
        assert refused == ({second.stream_id: ("claimed", first.stream_id)} if there else {})
        assert log.claimed(*free) == (None if there else second.stream_id) and neighbour.version == 1
        assert log.append([appending(second, claims=(free,))]) == []
        assert log.claimed(*free) == second.stream_id

    def test_two_streams_of_a_batch_claim_the_same(self, log: Log) -> None:
        key = ("run", f"key {uuid4()}")
        heads = [stream(), stream()]
        refused = log.append([appending(head, claims=(key,)) for head in heads])
        assert [r.status for r in refused] == ["claimed"]
        assert {log.claimed(*key), refused[0].stream_id} == {head.stream_id for head in heads}
        assert sorted(head.version for head in heads) == [0, 1]

    def test_a_definition_is_stored_with_its_first_use(self, log: Log) -> None:
        name, body = uuid4().hex, b'{"atoms":[]}'
        assert log.definition(name) is None
        head = stream()
        batch = [appending(head, definitions=((name, body),)), appending(stream(), definitions=((name, body),))]
        assert log.append(batch) == []
        assert log.append([appending(head, definitions=((name, b"another"),))]) == []
        assert log.definition(name) == body

    def test_a_message_is_accepted_once(self, log: Log) -> None:
        head = stream(owner=uuid4())
        log.append([appending(head)])
        first, second = uuid4(), uuid4()
        assert log.post(head.stream_id, first, "suspend", b"{}", "operator") == "posted"
        assert log.post(head.stream_id, first, "suspend", b"{}", "operator") == "known"
        assert log.post(head.stream_id, second, "event", b"[1]", "somebody") == "posted"
        assert log.post(uuid4(), uuid4(), "event", b"", "somebody") == "unknown"
        waiting = log.inbox([head.stream_id, uuid4()])
        assert [(m.message_id, m.stream_id, m.kind, m.body, m.sender) for m in waiting] == [
            (first, head.stream_id, "suspend", b"{}", "operator"),
            (second, head.stream_id, "event", b"[1]", "somebody"),
        ]
        stale = copy(head)
        append = appending(head, accepted=(first,))
        assert log.append([append]) == []
        assert [m.message_id for m in log.inbox([head.stream_id])] == [second]
        assert log.append([again(append, stale)]) == []
        refused = log.append([appending(head, accepted=(first, second)), appending(stream())])
        assert [(r.stream_id, r.status) for r in refused] == [(head.stream_id, "conflict")]
        assert str(first) in refused[0].detail
        assert [m.message_id for m in log.inbox([head.stream_id])] == [second]
        assert len(log.read(head.stream_id)) == 2

    def test_a_message_that_came_again_is_dropped_by_the_holder_only(self, log: Log) -> None:
        head = stream(owner=uuid4())
        log.append([appending(head)])
        message = uuid4()
        log.post(head.stream_id, message, "event", b"1", "somebody")
        assert log.discard(head.stream_id, head.epoch + 1, [message]) is False
        assert len(log.inbox([head.stream_id])) == 1
        assert log.discard(head.stream_id, head.epoch, [message]) is True
        assert log.inbox([head.stream_id]) == []

    # ---- holding

    def test_a_stream_is_taken_from_who_gives_no_sign_of_life(self, log: Log) -> None:
        mine, other = worker(), worker()
        log.enroll(mine, 60.0)
        log.enroll(other, 60.0)
        head = stream(owner=other.id)
        log.append([appending(head)])
        held = log.take(head.stream_id, mine.id)
        assert isinstance(held, Held) and held.owner == other.id
        assert held.worker is not None and held.worker[:4] == other[:4]
        assert log.head(head.stream_id) == head
        own = log.take(head.stream_id, other.id)
        assert isinstance(own, Head) and (own.epoch, own.owner, own.hash) == (2, other.id, head.hash)
        assert log.leave(other.id) is True and log.leave(other.id) is False
        taken = log.take(head.stream_id, mine.id)
        assert isinstance(taken, Head) and (taken.epoch, taken.owner, taken.version) == (3, mine.id, 1)
        assert log.append([appending(taken)]) == []

    def test_a_lease_that_has_run_out_does_not_hold(self, log: Log) -> None:
        mine, other = worker(), worker()
        log.enroll(mine, 60.0)
        log.enroll(other, -1.0)
        head = stream(owner=other.id)
        log.append([appending(head)])
        assert isinstance(log.take(head.stream_id, mine.id), Head)

    def test_steal_takes_from_anybody_and_nobody_has_what_is_not_there(self, log: Log) -> None:
        mine, other = worker(), worker()
        log.enroll(other, 60.0)
        head = stream(owner=other.id)
        log.append([appending(head)])
        stolen = log.take(head.stream_id, mine.id, steal=True)
        assert isinstance(stolen, Head) and stolen.owner == mine.id
        assert log.take(uuid4(), mine.id) is None

    def test_what_is_given_back_is_free(self, log: Log) -> None:
        mine, other = worker(), worker()
        log.enroll(mine, 60.0)
        log.enroll(other, 60.0)
        head = stream(owner=mine.id)
        log.append([appending(head)])
        assert log.release(head.stream_id, head.epoch + 1) is False
        assert isinstance(log.take(head.stream_id, other.id), Held)
        assert log.release(head.stream_id, head.epoch) is True
        assert isinstance(log.take(head.stream_id, other.id), Head)

    def test_what_waits_for_all_that_a_worker_owns(self, log: Log) -> None:
        mine, other = worker(), worker()
        heads = [stream(owner=mine.id), stream(owner=other.id), stream(owner=mine.id), stream()]
        log.append([appending(head) for head in heads])
        assert log.inbox_of(mine.id) == []
        sent = [uuid4() for _ in range(5)]
        for message, place in zip(sent, (2, 1, 0, 3, 2), strict=True):
            assert log.post(heads[place].stream_id, message, "event", b"%d" % place, "somebody") == "posted"
        found = log.inbox_of(mine.id)
        assert [message.message_id for message in found] == [sent[0], sent[2], sent[4]]
        assert found == log.inbox([heads[0].stream_id, heads[2].stream_id])
        log.take(heads[2].stream_id, other.id, steal=True)
        assert [message.message_id for message in log.inbox_of(mine.id)] == [sent[2]]
        log.append([appending(heads[0], accepted=(sent[2],))])
        assert log.inbox_of(mine.id) == [] and log.inbox_of(uuid4()) == []

    # ---- the whole log

    def test_the_tail_gives_all_in_order_and_without_values(self, log: Log) -> None:
        after = self._end(log)
        heads = [stream(), stream()]
        log.append([appending(heads[0], 2), appending(heads[1])])
        log.append([appending(heads[0])])
        rows, end = log.tail(after)
        mine = [row for row in rows if row.stream_id in {head.stream_id for head in heads}]
        assert [row.position for row in rows] == sorted(row.position for row in rows)
        assert [row.version for row in mine if row.stream_id == heads[0].stream_id] == [1, 2, 3]
        assert len(mine) == 4 and all(row.value is None for row in mine)
        assert end == rows[-1].position
        assert log.tail(end) == ([], end)

    def test_the_tail_goes_on_where_it_stopped(self, log: Log) -> None:
        after = self._end(log)
        head = stream()
        log.append([appending(head, 7)])
        seen = []
        while True:
            rows, after = log.tail(after, 3)
            if not rows:
                break
            assert len(rows) <= 3
            seen += [row.version for row in rows if row.stream_id == head.stream_id]
        assert seen == [1, 2, 3, 4, 5, 6, 7]

    def test_runs_are_found_by_how_their_id_begins(self, log: Log) -> None:
        early = (0x0123 << 112) | (0x7 << 76) | (0x8 << 60) | uuid4().int & (2**48 - 1) << 8
        heads = [Head(UUID(int=early | n << 4)) for n in (1, 2)]
        standing = Head(standing_id("default", str(uuid4())))
        log.append([appending(head) for head in (*heads, standing)])
        for head in heads:
            text = str(head.stream_id)
            assert log.find(text) == [head.stream_id]
            assert log.find(text.upper()[:-1]) == [head.stream_id]
        assert {head.stream_id for head in heads} <= set(log.find("0123"))
        assert log.find(str(standing.stream_id)) == []
        assert log.find("no id") == [] and log.find("") == [] and log.find("0" * 33) == []

    # ---- a law

    @hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_a_log_is_what_a_simple_model_says(self, log: Log, data: st.DataObject) -> None:
        """Any order of appends, true, late, repeated and stolen ones: each stream is what a list would be."""
        heads = [stream() for _ in range(3)]
        model: dict[UUID, list[NewRecord]] = {head.stream_id: [] for head in heads}
        done: list[tuple[Append, Head]] = []
        for _ in range(data.draw(st.integers(1, 8))):
            kind = data.draw(st.sampled_from(["append", "late", "repeat"]))
            if kind == "repeat" and done:
                append, start = data.draw(st.sampled_from(done))
                assert log.append([again(append, copy(start))]) == []
                continue
            chosen = data.draw(st.lists(st.sampled_from(heads), min_size=1, max_size=3, unique_by=id))
            batch = [appending(head, data.draw(st.integers(1, 3))) for head in chosen]
            late = {chosen[0].stream_id} if kind == "late" and chosen[0].version else set()
            if late:
                batch[0] = appending(Head(chosen[0].stream_id, epoch=1))
            starts = [copy(append.head) for append in batch]
            refused = {refusal.stream_id for refusal in log.append(batch)}
            assert refused == late
            for append, start in zip(batch, starts, strict=True):
                if start.stream_id not in refused:
                    model[start.stream_id] += append.records
                    done.append((append, start))
        for head in heads:
            rows = log.read(head.stream_id)
            assert [row.record_id for row in rows] == [item.record_id for item in model[head.stream_id]]
            assert [row.version for row in rows] == list(range(1, len(rows) + 1))
            assert log.head(head.stream_id) == (head if rows else None)

    @staticmethod
    def _end(log: Log) -> int:
        after, rows = 0, cast("list[object]", [None])
        while rows:
            rows, after = log.tail(after, 10_000)  # type: ignore[assignment]  # rows of any kind
        return after


__all__ = ["LogConformance", "Refusal"]
