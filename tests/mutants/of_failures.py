"""Bugs of retries: who is asked, what the answer means, what a RETRY leaves behind."""

from __future__ import annotations

from .mutant import Mutant

FAILURES = (
    Mutant(
        "wrong retry asked",
        "A failure is asked of the retry around the nearest one.",
        "engine/core/graph.py",
        "beyond[atom.flow] if atom.kind == \"retry\" else within[atom.flow] for atom in atoms",
        "beyond[atom.flow] if within[atom.flow] >= 0 and beyond[atom.flow] >= 0 else within[atom.flow] for atom in atoms",
    ),
    Mutant(
        "retry asks itself",
        "A retry that fails is asked about its own failure.",
        "engine/core/graph.py",
        "beyond[atom.flow] if atom.kind == \"retry\" else within[atom.flow] for atom in atoms",
        "within[atom.flow] for atom in atoms",
    ),
    Mutant(
        "gives up too much",
        "A retry that gives up has the whole run undone, though another one stands around it.",
        "engine/core/resolution.py",
        "    (Decision.REVERT, \"retry\"): DEFERRED,",
        "    (Decision.REVERT, \"retry\"): REVERT_ALL,",
    ),
    Mutant(
        "defer_reverts ignored",
        "A run that does not defer its reverts is undone as a whole.",
        "engine/core/resolution.py",
        "and decision is Decision.REVERT and not state.defers:",
        "and decision is Decision.REVERT and state.version < 0:",
    ),
    Mutant(
        "wrong scope undone",
        "A run that does not defer its reverts undoes the flow of the last retry that gave up, not of the first.",
        "engine/core/resolution.py",
        "{\"done\": ALONE, \"scope\": region.first}",
        "{\"done\": ALONE, \"scope\": retry}",
    ),
    Mutant(
        "never_resolve ignored",
        "The failures of a run that is never to resolve them are asked about.",
        "engine/core/scopes.py",
        "    if who == NOBODY or not state.resolves or closed(state, atom):",
        "    if who == NOBODY or closed(state, atom):",
    ),
    Mutant(
        "history kept",
        "A retry within a flow that is tried again remembers what it had tried before.",
        "engine/core/counters.py",
        "    state.history.pop(atom, None)\n",
        "",
    ),
    Mutant(
        "failure not remembered",
        "A retry is not told which retry within its flow has given up.",
        "engine/core/scopes.py",
        "    _remember(state, to, region.retry, _about(state, region))\n",
        "",
    ),
    Mutant(
        "started in a closed flow",
        "Something is started in a flow whose retry is being asked.",
        "engine/core/counters.py",
        "            if not closed(state, atom):\n                return\n",
        "            if not closed(state, atom) or len(state.regions) == 1:\n                return\n",
    ),
    Mutant(
        "tried again too soon",
        "A flow is tried again while one of its reverts is still under way.",
        "engine/core/forward.py",
        "any(first <= state.atom_of(slot) < last for slot in (*state.reverting, *state.lost)):",
        "False:",
    ),
    Mutant(
        "passed by for good",
        "What was passed by in a flow stays so when that is tried again.",
        "engine/core/scopes.py",
        "    for atom in range(first + 1, last) if state.lacking else ():",
        "    for atom in ():",
    ),
    Mutant(
        "executions of elements forgotten",
        "The elements of a fan-out that is tried again have the execution numbers of those before.",
        "engine/core/counters.py",
        "    if fan is not None and fan.count:",
        "    if fan is not None and fan.count > 9:",
    ),
)
