"""What is noted of one rehearsed workflow, call by call, and what it needs that nobody knows."""

from typing import Any, NoReturn

from temporalio import workflow

from euryale.rehearsal.stage import Key, Noted, Stage, What
from euryale.rehearsal.unknown import SawNoFurther, Unknown, plain


class Notes:
    """Notes of a workflow, on the stage of its rehearsal.

    Attributes:
        stage: The stage.
        calls: How many calls the workflow has made.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.calls = 0

    def key(self) -> Key:
        """What the workflow's next call is known by.

        Raises:
            SawNoFurther: The workflow saw no further before, and makes no calls any more.
        """
        info = workflow.info()
        blind = self.stage.blind.get(info.workflow_id)
        if blind is not None:
            raise SawNoFurther(blind.reason)
        self.calls += 1
        self.stage.runs(info.run_id, info.workflow_id)
        return info.run_id, self.calls

    def note(self, key: Key, what: What, name: str, arguments: dict[str, Any], **more: Any) -> None:
        """Note what the workflow would have done; `more` are the other attributes of `Noted`."""
        info = workflow.info()
        self.stage.note(
            key,
            Noted(
                what=what,
                name=name,
                arguments=arguments,
                workflow=info.workflow_type,
                workflow_id=info.workflow_id,
                where=self.stage.here(),
                **more,
            ),
        )

    def needs(self, of: str, where: str = "", source: str = "") -> None:
        """Note that the workflow, at this line, needs a value that nobody knows."""
        info = workflow.info()
        source = source or _source(self.stage, of)
        known = self.stage.activities.get(source)
        mend = ""
        if known is not None:
            form = "@step(…, preview=…)" if known.step else '@mutation(preview="…")'
            mend = f"Give {source} a preview, {form}, and a rehearsal sees further"
        part = f" ({of})" if source and of != source else ""
        self.stage.saw_no_further(
            info.workflow_id,
            info.workflow_type,
            f"needs the result of {source or of}{part}",
            mend,
            where,
        )

    def unknown(self, of: str, source: str) -> Unknown:
        """A value that nobody knows.

        Args:
            of: What it is, such as the name of a call.
            source: The activity that would have made it.
        """
        return Unknown(of, lambda used: self.needs(used, source=source))

    def ends_in_circles(self, read: str) -> NoReturn:
        """End a workflow that waits for a read to show what it changed.

        Raises:
            SawNoFurther: Always.
        """
        info = workflow.info()
        self.stage.saw_no_further(
            info.workflow_id,
            info.workflow_type,
            f"goes round in circles: it waits for {read} to see what it changed, and nothing is",
            "Let it read all that it will change before it changes anything",
        )
        raise SawNoFurther(read)


def numbered(args: Any) -> dict[str, Any]:
    """Arguments whose names aren't known, in terms of JSON."""
    return {f"argument {number}": plain(each) for number, each in enumerate(args, 1)}


def _source(stage: Stage, of: str) -> str:
    """The activity that would have made a value."""
    return max((name for name in stage.activities if of.startswith(name)), key=len, default="")
