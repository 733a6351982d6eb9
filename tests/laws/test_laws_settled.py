"""Laws 4 and 5: what became of a transaction whose commit was lost is asked when it has ended, and not before."""

from __future__ import annotations

import threading

import pytest
from sagalog_logkit import again, appending, copy, settings, stream

from sagalog.store import log, transaction
from sagalog.store.session import Session


@pytest.mark.parametrize("committed", [True, False])
def test_a_transaction_in_doubt_is_waited_for(migrated_on: str, committed: bool) -> None:
    with Session(migrated_on, settings()) as lost, Session(migrated_on, settings()) as asking:
        head = stream()
        lost.perform(lambda: log.append([appending(head)]))
        before = copy(head)
        append = appending(head, 2)
        in_doubt = again(append, before)
        answers: list[bool] = []
        asker = threading.Thread(target=lambda: answers.append(asking.perform(lambda: transaction.settled(in_doubt))))
        lost.connection.execute("begin")
        lost.once(log.append([append]))
        asking.perform(log.now)
        asker.start()
        asker.join(0.3)
        assert answers == [], "the transaction may still come through"
        lost.connection.execute("commit" if committed else "rollback")
        asker.join(10)
    assert answers == [committed]
    assert in_doubt.head.version == (3 if committed else 1)
    if committed:
        assert in_doubt.head.hash == append.head.hash
