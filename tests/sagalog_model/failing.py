"""What a failure leads to: who is asked, what the answer means, what is ignored, undone, begun anew (SEMANTICS §3, §5)."""

from __future__ import annotations

from typing import Any

from sagalog.engine.definition.decision import Decision
from sagalog.engine.definition.words import Compensation
from sagalog.errors import Failure

from .tree import Branch, Leaf, Node, above, member_of
from .undoing import Matter, Region, busy, candidates, left


class Failing:
    """The part of a run that knows what has failed and what is done about it.

    `regions`: the flows of retries that are being asked or undone. `reverting`: everything is. `stopped`: a person has to
    go on. `given_up`: a flow was undone alone, with nobody around it. `irreversible`: something was done for good.
    """

    def __init__(self, root: Branch, defer_reverts: bool, never_resolve: bool) -> None:
        self.root = root
        self.leaves = root.leaves()
        self.defer_reverts = defer_reverts
        self.never_resolve = never_resolve
        self.regions: list[Region] = []
        self.reverting = self.stopped = self.given_up = self.irreversible = False
        self.all_failures: dict[str, Failure] = {}
        self.working: set[Leaf] = set()  # what is being called
        self.reading: set[Leaf] = set()  # fan-outs whose list is being read

    # --- what is over, what may begin ---------------------------------------------------------------------------------

    def passed(self, node: Node) -> bool:
        """Whether what waits for the node may go on."""
        if isinstance(node, Leaf):
            counted = node.state == "IGNORED" or (node.state in ("FAILURE", "REVERTED") and spoilt(node))
            return node.state == "SUCCESS" or (counted and self.reached(node))
        assert isinstance(node, Branch)
        if not node.leaves():
            return self.reached(node)
        if node.policy and not (node.verdict is False and spoilt(node)):
            return bool(node.verdict)
        return all(self.passed(inner) for inner in (*([node.retry] if node.retry else []), *node.items))

    def reached(self, node: Node, itself: bool = True) -> bool:
        """Whether its turn has come: all before it is over, and the deciders have been asked (`itself`: its own too)."""
        doors = node.doors if itself else node.doors[1:]
        return all(map(self.passed, node.ahead)) and all(door.answered or not door.deciders for door in doors)

    def free(self, node: Node) -> bool:
        """Whether nothing is being asked about, or undone, around it."""
        return not (self.reverting or self.stopped or any(node.within(region.flow) for region in self.regions))

    def may_start(self, leaf: Leaf) -> bool:
        return leaf.state == "PENDING" and self.free(leaf) and self.reached(leaf)

    def ignore(self, leaves: list[Leaf]) -> None:
        """Pass atoms by that have not begun; a retry that is ignored takes its flow with it."""
        for leaf in leaves:
            if leaf.state == "PENDING":
                leaf.state = "IGNORED"
                if leaf.flow is not None and leaf is leaf.flow.retry:
                    self.pass_over(leaf.flow)

    def pass_over(self, flow: Branch) -> None:
        """Pass a whole flow by: nothing in it is asked or judged."""
        self.ignore(flow.leaves())
        for node in flow.nodes():
            node.asked = node.answered = node.answered or node is not flow
            if isinstance(node, Branch) and judged(node):
                node.verdict = node.undone = True

    # --- groups -------------------------------------------------------------------------------------------------------

    def judge(self) -> bool:
        """The verdict about a group of which all members are over: what failed is counted, and what succeeded (§5)."""
        for group in self.to_be_judged():
            ok = [member for member in group.items if member not in group.failed and succeeded(member)]
            assert group.policy is not None
            group.verdict = group.policy.verdict(len(ok), len(group.failed))
            if not group.verdict:
                self.escalate(group, group.errors)
            return True
        return False

    def to_be_judged(self) -> list[Branch]:
        """The groups that there can be a verdict about now, what is within others first."""
        groups = [node for node in self.root.nodes() if isinstance(node, Branch) and node.policy and node.verdict is None]
        ripe = (node for node in reversed(groups) if judged(node) and self.free(node) and self.reached(node))
        return [node for node in ripe if self.over(node)]

    def over(self, group: Branch) -> bool:
        """Whether nothing of it runs, may still run, or is being asked about or undone."""
        if any(region.flow.within(group) for region in self.regions):
            return False
        inner = [node for item in group.items for node in item.nodes()]
        return (
            all(leaf.state in ("SUCCESS", "IGNORED", "FAILURE", "REVERTED") for leaf in group.leaves())
            and all(node.answered or not node.deciders for node in inner)
            and all(node.verdict is not None for node in inner if isinstance(node, Branch) and judged(node))
        )

    def member_failed(self, group: Branch, node: Node, failures: dict[str, Failure]) -> None:
        """A member of a group has failed: the rest of it is passed by; if the group can only fail, so is all of that."""
        member = member_of(group, node)
        group.errors |= failures
        if member not in group.failed:
            group.failed.append(member)
        self.ignore(member.leaves())
        assert group.policy is not None
        if group.policy.lost(len(group.failed)):
            self.ignore(group.leaves())

    # --- who is asked -------------------------------------------------------------------------------------------------

    def escalate(self, node: Node, failures: dict[str, Failure]) -> None:
        """An atom, or a group as one, has failed: the nearest retry or group around it is told; without, all is undone."""
        own = node.retry if isinstance(node, Branch) and node.retry and node.retry.state == "SUCCESS" else None
        asked = own or above(node)
        if isinstance(asked, Branch):
            self.member_failed(asked, node, failures)
        elif self.decided(node):
            return
        elif self.never_resolve:
            self.stopped = True
        elif asked is None:
            self.revert_all()
        else:
            self.ask(asked, Matter(node, failures))

    def decided(self, node: Node) -> bool:
        """Whether what becomes of the node is decided already."""
        return self.reverting or any(node.within(region.flow) and region.goal != "ask" for region in self.regions)

    def ask(self, retry: Leaf, matter: Matter) -> None:
        """Note the failure in the history of the try, and have the retry asked; till then nothing of its flow starts."""
        assert retry.flow is not None
        if retry.history:
            retry.history[-1][1].update(matter.failures)
        region = next((region for region in self.regions if region.flow is retry.flow), None)
        if region is None:
            region = Region(retry.flow)
            self.regions.append(region)
        region.matters.append(matter)

    def to_be_asked(self, flow: Branch) -> Matter | None:
        """What the retry of the flow is to be asked about now, if anything: one matter at a time, each once."""
        for region in self.regions:
            if region.flow is flow and region.goal == "ask" and region.matters and not region.matters[0].asked:
                region.matters[0].asked = True
                return region.matters[0]
        return None

    def still_asked(self, retry: Leaf, matter: Matter) -> bool:
        """Whether the answer still counts: a revert, or a retry around it, may have been decided meanwhile."""
        return any(
            region.flow is retry.flow and region.goal == "ask" and matter in region.matters for region in self.regions
        ) and not self.decided(retry)

    def answered(self, retry: Leaf, matter: Matter, answer: Any) -> None:
        """RETRY: undo the flow and try it again. REVERT: whoever is around is asked too. REVERT_ALL: undo everything."""
        flow = retry.flow
        assert flow is not None
        if answer == Decision.RETRY:
            self.decide(flow, "retry")
        elif answer == Decision.REVERT_ALL:
            self.revert_all()
        elif answer == Decision.REVERT:
            self.pass_on(flow, matter)
        else:
            self.stopped = True

    def pass_on(self, flow: Branch, matter: Matter) -> None:
        """The retry of a flow has given up: with `defer_reverts` whoever is around decides, else may only outrank it."""
        asked = above(flow)
        first = matter.first or flow
        if isinstance(asked, Leaf):
            assert flow.retry is not None
            self.ask(asked, Matter(flow, renamed(matter.failures, flow), first))
        elif isinstance(asked, Branch):
            self.decide(flow if self.defer_reverts else first, "revert", renamed(matter.failures, flow), asked)
        elif self.defer_reverts:
            self.revert_all()
        else:
            self.decide(first, "revert")

    def decide(
        self, flow: Branch, goal: str, failures: dict[str, Failure] | None = None, group: Branch | None = None
    ) -> None:
        """The flow is undone; whatever was asked or undone within it is part of that. What was asked further out about
        the same is answered.
        """
        kept = []
        for region in self.regions:
            if region.flow.within(flow):
                continue
            region.matters = [m for m in region.matters if not (m.asked and m.first is not None and m.first.within(flow))]
            if region.matters or region.goal != "ask":
                kept.append(region)
        self.regions = [*kept, Region(flow, goal, failures=failures or {}, group=group)]

    def revert_all(self) -> None:
        self.reverting = True
        self.regions = []

    # --- undoing ------------------------------------------------------------------------------------------------------

    def outermost(self) -> list[Region]:
        """The flows that are being undone, or are to be begun anew, with nothing asked about or undone around them."""
        return [
            region for region in self.regions
            if region.goal != "ask"
            and not any(region.flow.within(other.flow) for other in self.regions if other is not region)
        ]  # fmt: skip

    def undoable(self) -> list[Leaf]:
        """What may be reverted now. What waits for its next attempt, or for its elements, has failed."""
        scopes = [self.leaves] if self.reverting else [region.scope() for region in self.outermost()]
        found = []
        for scope in scopes:
            for leaf in scope:
                for each in (*leaf.elements, leaf):
                    if each.state == "WAITING":
                        each.state = "FAILURE"
                if leaf.is_fan and leaf.state == "RUNNING" and not busy(leaf.elements):
                    leaf.state = "FAILURE"
            found += candidates(scope)
        return sorted(found, key=lambda leaf: leaf.order_back)

    def undone_without_code(self, leaf: Leaf) -> None:
        """A task without revert, or a fan-out whose elements are done: what was declared irreversible stays done."""
        done = any(each.state == "SUCCESS" for each in (leaf.elements if leaf.is_fan else [leaf]))
        if leaf.code.compensation == Compensation.IRREVERSIBLE and done:
            self.irreversible = True
        self.reverted(leaf)

    def reverted(self, leaf: Leaf) -> None:
        leaf.state = "REVERTED"
        flow = leaf.flow
        while flow is not None:
            flow.undone = flow.undone or flow.verdict is not None
            flow = flow.flow

    def begin_anew(self, retry: Leaf) -> None:
        """Nothing of the flow has happened; histories within it are empty, that of its own retry is kept."""
        flow = retry.flow
        assert flow is not None
        self.regions = [region for region in self.regions if region.flow is not flow]
        for node in flow.nodes():
            if node is not flow:
                node.asked = node.answered = False
            if isinstance(node, Branch):
                node.forget()
            if isinstance(node, Leaf) and node.state in ("REVERTED", "IGNORED"):
                node.state, node.value, node.failure, node.elements = "PENDING", None, None, []
                self.all_failures.pop(node.name, None)
            if isinstance(node, Leaf) and node is not retry:
                node.history = []
        retry.state = "PENDING"

    def give_up(self) -> bool:
        """A flow that is undone and not tried again: a failed member of the group around it, if there is one."""
        for region in self.outermost():
            if region.goal == "revert" and not left(region.scope()) and not busy(region.scope()):
                self.regions.remove(region)
                if region.group:
                    self.member_failed(region.group, region.flow, region.failures)
                else:
                    self.given_up = True
                return True
        return False


def succeeded(member: Node) -> bool:
    """Whether anything of a member of a group has succeeded."""
    return any(leaf.state == "SUCCESS" for leaf in member.leaves())


def judged(flow: Branch) -> bool:
    """Whether it is a group that there can be a verdict about: it has members, and its own retry did not fail."""
    return bool(flow.policy and flow.leaves()) and not (flow.retry and flow.retry.state in ("FAILURE", "REVERTED"))


def spoilt(node: Node) -> bool:
    """Whether it is in a member of a group that has failed: what failed there counts, and holds nothing up."""
    flow = node.flow
    while flow is not None:
        if node in flow.failed:
            return True
        node, flow = flow, flow.flow
    return False


def renamed(failures: dict[str, Failure], flow: Branch) -> dict[str, Failure]:
    """The first of the failures under the name of the retry that has given up about them."""
    assert flow.retry is not None
    first = list(failures.values())[:1]
    return dict.fromkeys([flow.retry.name], first[0]) if first else {}
