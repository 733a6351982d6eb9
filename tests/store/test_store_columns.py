"""What a fold reads, by column, is what `read` gives by row."""

from __future__ import annotations

from datetime import timedelta

from sagalog_logkit import appending, record, settings, stream

from sagalog.store import log
from sagalog.store.session import Session


def test_columns_are_the_rows(migrated_on: str) -> None:
    head = stream()
    with Session(migrated_on, settings()) as session:
        for value in (b'{"n": 1}', None, b"[2]"):
            assert session.perform(lambda value=value: log.append([appending(head, records=[record(value=value)])])) == []
        rows = session.perform(lambda: log.read(head.stream_id))
        columns = session.perform(lambda: log.read_columns(head.stream_id))
        assert columns.versions == (1, 2, 3) and columns.values == (b'{"n": 1}', None, b"[2]")
        assert list(zip(columns.types, columns.schemas, columns.facts, strict=True)) == [
            (row.type, row.schema, row.facts) for row in rows
        ]
        assert [columns.at(place) for place in range(3)] == [row.occurred_at for row in rows]
        assert columns.upto(2).versions == (1, 2)
        assert session.perform(lambda: log.read_columns(stream().stream_id)).versions == ()
        counted = [session.perform(lambda at=row.recorded_at: log.count_until(head.stream_id, at)) for row in rows]
        assert counted == [1, 2, 3]
        before = rows[0].recorded_at - timedelta(microseconds=1)
        assert session.perform(lambda: log.count_until(head.stream_id, before)) == 0
