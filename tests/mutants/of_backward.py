"""Bugs of the way back: what is reverted, in which order, and what is said of it."""

from __future__ import annotations

from .mutant import Mutant

BACKWARD = (
    Mutant(
        "reverts reordered",
        "Something is reverted when one of those that waited for it is, not when all are.",
        "engine/core/undo.py",
        "                    self.waits[node] += 1\n",
        "                    self.waits[node] = 1\n",
    ),
    Mutant(
        "priority of reverts turned round",
        "Of what may be reverted the one of the smallest priority is.",
        "engine/core/undo.py",
        "(-atoms[node].priority, -node)",
        "(atoms[node].priority, -node)",
    ),
    Mutant(
        "siblings not awaited",
        "The run is undone while code of it is under way.",
        "engine/core/forward.py",
        "    if state.running or undo is None:",
        "    if undo is None:",
    ),
    Mutant(
        "siblings in a flow not awaited",
        "The flow of a retry is undone while code of it is under way.",
        "engine/core/forward.py",
        "    if busy(state, first, last):\n        return\n",
        "",
    ),
    Mutant(
        "last element first",
        "The elements of a fan-out are reverted from the first to the last.",
        "engine/core/forward.py",
        "    slot = fan.base + fan.back - 1\n",
        "    slot = next(slot for slot in range(fan.base, fan.base + fan.count) if state.task[slot] in RAN)\n",
    ),
    Mutant(
        "element not reverted",
        "A fan-out counts as reverted when one of its elements is not.",
        "engine/core/undo.py",
        "        if not left:\n",
        "        if left < 2:\n",
    ),
    Mutant(
        "failed revert passed over",
        "What a failed revert stood in the way of is reverted all the same.",
        "engine/core/forward.py",
        "    if state.stuck or state.asked:\n        if not state.reverting:",
        "    if state.asked:\n        if not state.reverting:",
    ),
    Mutant(
        "said to be undone",
        "A run of which something stays done ends as REVERTED.",
        "engine/core/forward.py",
        "        if state.stays:\n",
        "        if len(state.stays) > len(state.outcome):\n",
    ),
    Mutant(
        "irreversible not told",
        "Of something irreversible it is said that there was nothing to revert.",
        "engine/core/forward.py",
        "    if spec.compensation == \"irreversible\" and opened and",
        "    if spec.compensation == \"final\" and opened and",
    ),
    Mutant(
        "undeclared not told",
        "It is not said that nobody has declared how something is undone.",
        "engine/core/forward.py",
        "        nothing.facts[\"undeclared\"] = True\n",
        "        pass\n",
    ),
    Mutant(
        "probed revert disowned",
        "A revert of which the probe says that it happened counts as one that cannot be made.",
        "engine/core/going.py",
        "execution, attempt, value, outcome=\"reverted\", probed=True)",
        "execution, attempt, value, outcome=\"not_revertible\", probed=True)",
    ),
    Mutant(
        "reverted twice",
        "A revert whose probe says that it happened is made again.",
        "engine/core/going.py",
        "        if answer == HAPPENED:\n            yield of_slot(state, r.TASK_REVERTED",
        "        if answer is None:\n            yield of_slot(state, r.TASK_REVERTED",
    ),
    Mutant(
        "earlier execution forgotten",
        "What an earlier execution did, before somebody recovered the run, is not reverted.",
        "engine/core/counters.py",
        "    state.earlier.setdefault(slot, []).append((state.execution[slot], state.result[slot], str(was)))\n",
        "    return\n",
    ),
    Mutant(
        "rolled back for nothing",
        "A member of a group that has failed has the whole run undone.",
        "engine/core/scopes.py",
        "    if who < NOBODY:\n        state.lacking = True\n        settled(state, atom)",
        "    if who < NOBODY and state.definition.beyond[-2 - who] != NOBODY:\n        state.lacking = True\n"
        "        settled(state, atom)",
    ),
    Mutant(
        "ends half-way",
        "A run is over as soon as no revert may be begun, though one is under way.",
        "engine/core/forward.py",
        "    if not undo.ready and not undo.fans and not state.reverting and not state.unknown:",
        "    if not undo.ready and not undo.fans and not state.unknown:",
    ),
    Mutant(
        "earlier execution again",
        "What an earlier execution did is reverted over and over.",
        "engine/core/counters.py",
        "state.result[slot], was = entries.pop()\n",
        "state.result[slot], was = entries[-1]\n",
    ),
    Mutant(
        "heard after the end",
        "A retry's answer is recorded though the run is over.",
        "engine/core/decide.py",
        "    return state.run in OVER or state.execution[call.atom] != call.execution\n",
        "    return state.execution[call.atom] != call.execution\n",
    ),
    Mutant(
        "revert not called again",
        "A revert that was cut short counts as done, and is not called again.",
        "engine/runtime/calls.py",
        "            result = yield code\n",
        "            result = (yield code) if call.kind != REVERT or call.attempt == 1 else None\n",
    ),
)
