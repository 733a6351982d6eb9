"""Bugs of what is counted and kept: the fold against the live state, counters, snapshots."""

from __future__ import annotations

from .mutant import Mutant

STATE = (
    Mutant(
        "fold differs from live",
        "Read from the log, a task that has succeeded is not counted as settled.",
        "engine/core/evolve.py",
        "            state.open -= 1\n            for node in after[atom]:  # none of it has begun\n",
        "            for node in after[atom]:  # none of it has begun\n",
    ),
    Mutant(
        "open not counted",
        "What is put back to be run again is not counted as open.",
        "engine/core/counters.py",
        "    if node < state.atoms:\n        state.open += 1\n",
        "",
    ),
    Mutant(
        "progress kept",
        "What is put back to be run again still counts as unresolved.",
        "engine/core/counters.py",
        "state.lost, state.asked, state.unresolved, state.halted,",
        "state.lost, state.asked, state.halted,",
    ),
    Mutant(
        "result kept",
        "What is put back to be run again still has the result of the time before.",
        "engine/core/counters.py",
        "        state.task[slot] = PENDING\n        state.result[slot] = 0\n        for kept in (",
        "        state.task[slot] = PENDING\n        for kept in (",
    ),
    Mutant(
        "gate forgotten",
        "A verdict over a group that is put back still stands.",
        "engine/core/scopes.py",
        "            state.verdicts.pop(state.definition.gate_at[node].flow, None)",
        "            pass",
    ),
    Mutant(
        "snapshot loses an execution",
        "A state that is laid down does not have the highest execution of each atom.",
        "engine/core/state.py",
        "\"gates\", \"verdicts\", \"counted\",\n",
        "\"gates\", \"verdicts\",\n",
    ),
    Mutant(
        "snapshot loses an element",
        "A state that is laid down does not have how many elements of a fan-out are under way.",
        "engine/core/region.py",
        "        fan.redo = list(data[8])\n",
        "        fan.live = 0\n",
    ),
    Mutant(
        "heap shared",
        "A state that is laid down does not have the reverts that are next.",
        "engine/core/undo.py",
        "        undo.ready = [(priority, atom) for priority, atom in data[\"ready\"]]\n",
        "        undo.ready = []\n",
    ),
    Mutant(
        "waits not counted",
        "What stands behind something that is run again does not wait for it.",
        "engine/core/counters.py",
        "            unsettle(state, successor)\n        waits[successor] += 1\n",
        "            unsettle(state, successor)\n        waits[successor] += successor >= state.atoms\n",
    ),
)
