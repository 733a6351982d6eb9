"""What every log must do with timers, real or simulated: the part of the conformance suite that is about them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sagalog_logkit import Log, again, appending, copy, ended, record, stream, timer, worker


class TimerConformance:
    """Inherit, and provide a fixture `log` that gives a `Log`, empty or not."""

    def test_a_timer_is_there_until_a_record_ends_it(self, log: Log) -> None:
        at, head = _moment(), stream()
        log.append([appending(head, records=[record(), timer(head, at + 7, 2), timer(head, at + 3, 3)])])
        assert log.next_due(at) == at + 3
        assert _due(log, at) == [(head.stream_id, at + 3)]
        log.append([appending(head, records=[ended(3)])])
        assert log.next_due(at) == at + 7
        assert _due(log, at) == [(head.stream_id, at + 7)]
        log.append([appending(head, records=[ended(2, "cancelled"), record()])])
        assert log.next_due(at) != at + 7
        assert _due(log, at) == []

    def test_timers_of_many_streams_in_one_batch(self, log: Log) -> None:
        at, heads = _moment(), [stream() for _ in range(4)]
        batch = [appending(head, records=[record(), timer(head, at + n, 2)]) for n, head in enumerate(heads)]
        log.append(batch)
        assert _due(log, at) == [(head.stream_id, at + n) for n, head in enumerate(heads)]
        again = [appending(head, records=[ended(2), timer(head, at + 9 - n, 2)]) for n, head in enumerate(heads)]
        log.append(again)
        assert _due(log, at) == [(head.stream_id, at + 9 - n) for n, head in reversed([*enumerate(heads)])]
        log.append([appending(head, records=[ended(4, "cancelled")]) for head in heads[1:]])
        assert _due(log, at) == [(heads[0].stream_id, at + 9)]

    @pytest.mark.parametrize("neighbours", [0, 1])
    def test_a_timer_that_is_over_in_the_same_append_is_none(self, log: Log, neighbours: int) -> None:
        at, head = _moment(), stream()
        log.append([appending(head)])
        records = [timer(head, at), timer(head, at + 1, 2), ended(2)]
        log.append([appending(head, records=records), *(appending(stream()) for _ in range(neighbours))])
        assert _due(log, at) == [(head.stream_id, at + 1)]

    @pytest.mark.parametrize("neighbours", [0, 1])
    def test_the_same_records_again_set_no_timer_again(self, log: Log, neighbours: int) -> None:
        at, head = _moment(), stream()
        log.append([appending(head)])
        start = copy(head)
        append = appending(head, records=[timer(head, at)])
        log.append([append])
        others = [appending(stream()) for _ in range(neighbours)]
        assert log.append([again(append, copy(start)), *others]) == []
        assert _due(log, at) == [(head.stream_id, at)]
        log.append([appending(head, records=[ended(2)])])
        assert log.append([again(append, copy(start)), *(appending(other.head) for other in others)]) == []
        assert _due(log, at) == []

    def test_who_is_refused_sets_and_ends_no_timer(self, log: Log) -> None:
        at, heads = _moment(), [stream() for _ in range(3)]
        log.append([appending(head, records=[timer(head, at + n)]) for n, head in enumerate(heads)])
        late = copy(heads[1])
        log.append([appending(heads[1])])
        for batch in (
            [appending(late, records=[ended(1), timer(late, at + 8, 2)])],
            [appending(late, records=[ended(1)]), appending(heads[2], records=[ended(1), timer(heads[2], at + 5, 2)])],
        ):
            assert [refusal.stream_id for refusal in log.append(batch)] == [late.stream_id]
        assert _due(log, at) == [(head.stream_id, at + n) for head, n in zip(heads, (0, 1, 5), strict=True)]

    @pytest.mark.parametrize("facts", [b"{}", b'{"timer":2}', b'{"due":5}', b'{"timer":2,"due":"soon"}', b"[", b"\xff"])
    def test_a_timer_whose_facts_are_wrong_is_refused_alone(self, log: Log, facts: bytes) -> None:
        at, head, other = _moment(), stream(), stream()
        log.append([appending(head), appending(other)])
        wrong = record("timer.set", None, facts)
        for batch in ([appending(head, records=[wrong])], [appending(head, records=[wrong]), appending(other)]):
            assert [(r.stream_id, r.status) for r in log.append(batch)] == [(head.stream_id, "rejected")]
        assert len(log.read(head.stream_id)) == 1 and len(log.read(other.stream_id)) == 2
        assert _due(log, at) == []

    def test_only_streams_without_a_living_owner_are_said_to_be_due(self, log: Log) -> None:
        at, alive, dead = _moment(), worker(), worker()
        log.enroll(alive, 600.0)
        log.enroll(dead, -1.0)
        heads = [stream(owner=owner) for owner in (alive.id, dead.id, uuid4(), None)]
        log.append([appending(head, records=[timer(head, at + n)]) for n, head in enumerate(heads)])
        assert _due(log, at) == [(head.stream_id, at + n) for n, head in enumerate(heads)][1:]
        assert log.next_due(at - 1) == at
        log.leave(alive.id)
        assert _due(log, at) == [(head.stream_id, at + n) for n, head in enumerate(heads)]
        log.enroll(dead, 600.0)
        assert heads[1].stream_id not in dict(_due(log, at))

    def test_what_is_due_comes_earliest_first_each_stream_once_and_in_pages(self, log: Log) -> None:
        at, heads = _moment(), [stream() for _ in range(5)]
        order = [heads[place] for place in (3, 1, 4, 0, 2)]
        for n, head in enumerate(order):
            log.append([appending(head, records=[timer(head, at + 90, 1), timer(head, at + 10 * n, 2)])])
        expected = [(head.stream_id, at + 10 * n) for n, head in enumerate(order)]
        assert _due(log, at) == expected
        assert log.due(at + 29, 9, (at - 1, UUID(int=0))) == expected[:3]
        pages, last = [], (at - 1, UUID(int=0))
        while page := log.due(at + 100, 2, last):
            pages.append(page)
            last = (page[-1][1], page[-1][0])
        assert pages == [expected[:2], expected[2:4], expected[4:]]

    def test_streams_that_are_due_at_one_moment_are_all_found(self, log: Log) -> None:
        at, heads = _moment(), [stream() for _ in range(4)]
        log.append([appending(head, records=[timer(head, at)]) for head in heads])
        found, last = [], (at - 1, UUID(int=0))
        while page := log.due(at, 3, last):
            found += page
            last = (page[-1][1], page[-1][0])
        assert found == [(stream_id, at) for stream_id in sorted(head.stream_id for head in heads)]

    @hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_timers_are_what_a_simple_model_says(self, log: Log, data: st.DataObject) -> None:
        """Any order of setting and ending, alone and in batches: what is due is the earliest that is not ended."""
        at, heads = _moment(), [stream() for _ in range(3)]
        model: dict[UUID, dict[int, int]] = {head.stream_id: {} for head in heads}
        for _ in range(data.draw(st.integers(1, 6))):
            batch = []
            for head in data.draw(st.lists(st.sampled_from(heads), min_size=1, max_size=3, unique_by=id)):
                records, waiting = [record()], model[head.stream_id]
                for step in data.draw(st.lists(st.integers(0, 50), max_size=4)):
                    if waiting and step % 2:
                        over = data.draw(st.sampled_from(sorted(waiting)))
                        del waiting[over]
                        records.append(ended(over, "fired" if step % 4 == 1 else "cancelled"))
                    else:
                        waiting[head.version + len(records) + 1] = at + step
                        records.append(timer(head, at + step, len(records) + 1))
                batch.append(appending(head, records=records))
            assert log.append(batch) == []
            expected = [(min(waiting.values()), stream_id) for stream_id, waiting in model.items() if waiting]
            assert _due(log, at) == [(stream_id, due) for due, stream_id in sorted(expected)]


def _moment() -> int:
    """A time that no other test, and no other example of one, has timers near."""
    return 10**15 + uuid4().int % 2**62


def _due(log: Log, at: int) -> list[tuple[UUID, int]]:
    """What is due in the hundred microseconds from `at` on."""
    return log.due(at + 99, 100, (at - 1, UUID(int=2**128 - 1)))
