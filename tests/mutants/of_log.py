"""Bugs of the log and of what is told about it: who may write, what is durable, what has been accepted."""

from __future__ import annotations

from .mutant import Mutant

LOG = (
    Mutant(
        "fence skipped",
        "An append is not refused for an epoch that is over.",
        "testing/appending.py",
        "(stream.version, stream.epoch, stream.hash) != (line.expected, line.epoch, line.previous)",
        "(stream.version, stream.hash) != (line.expected, line.previous)",
    ),
    Mutant(
        "epoch not raised",
        "Whoever takes a run over writes with the epoch of the owner before.",
        "testing/holding.py",
        "        stream.epoch += 1\n",
        "",
    ),
    Mutant(
        "duplicates by place",
        "Records that stand where ours were to go are taken for ours, whoever wrote them.",
        "testing/appending.py",
        "if [row[3] for row in there] == [record[0] for record in line.records]:",
        "if len(there) == len(line.records):",
    ),
    Mutant(
        "refusal not heard",
        "An append that the log has refused counts as done.",
        "store/log.py",
        "            refused.append(Refusal(*row[:6]))",
        "            continue",
    ),
    Mutant(
        "acknowledged unheard",
        "A statement whose connection was lost counts as done.",
        "store/session.py",
        "            verdict = kind(error)\n            tries",
        "            verdict = kind(error)\n            if verdict is Kind.LOST:\n"
        "                return []\n            tries",
    ),
    Mutant(
        "outcome written twice",
        "The outcome of a revert is appended twice.",
        "engine/runtime/desk.py",
        "            held.rows(turn.drafts),",
        "            held.rows([each for each in turn.drafts for _ in range(1 + (each.type == 'task.reverted'))]),",
    ),
    Mutant(
        "message stays",
        "A message that was accepted is left in the inbox.",
        "engine/runtime/drive.py",
        "    accepted.append(message.id)\n",
        "",
    ),
    Mutant(
        "message lost",
        "A message leaves the inbox, and no record says that it was accepted.",
        "engine/runtime/drive.py",
        "    drafts.append(held.fold(Draft(r.MESSAGE_ACCEPTED, facts, message.body)))\n",
        "",
    ),
    Mutant(
        "committed in spite of the log",
        "What a transactional task wrote is committed although the append of its outcome was refused.",
        "engine/runtime/transactions.py",
        "yield from (transaction.rollback() if refusals else transaction.commit())",
        "yield from transaction.commit()",
    ),
    Mutant(
        "memory trusted",
        "After the database broke a transaction off the run goes on from what is in memory and not in the log.",
        "engine/runtime/transactions.py",
        "if lost and session.perform(lambda: transaction.settled(append)):",
        "if lost:",
    ),
    Mutant(
        "lost commit taken for undone",
        "A transaction whose commit was done, and its reply lost, counts as broken off.",
        "engine/runtime/transactions.py",
        "if lost and session.perform(lambda: transaction.settled(append)):",
        "if lost and not session.perform(lambda: transaction.settled(append)):",
    ),
    Mutant(
        "half a stream",
        "The last record is not read when a run is taken over.",
        "engine/runtime/taking.py",
        "        held.load(columns)\n        return held\n    except",
        "        held.load(columns.upto(max(len(columns.types) - 1, 1)))\n        return held\n    except",
    ),
    Mutant(
        "outcome outside the transaction",
        "A transactional task's code is committed before its outcome is appended.",
        "engine/runtime/transactions.py",
        "        yield from transaction.closing(mark)\n",
        "        yield from transaction.closing(mark)\n        yield from transaction.commit()\n",
    ),
    Mutant(
        "head not put back",
        "After a transaction that was broken off the owner takes its append for done, and is refused its next.",
        "engine/runtime/transactions.py",
        "        head.version, head.hash, head.owner = before  # the append had moved it, and is undone, or in doubt\n",
        "",
    ),
)
