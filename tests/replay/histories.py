"""The recorded histories, and the applications whose runs they are."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from sweeping.items import Stage
from sweeping.served import shelf_plugin
from temporalio.client import WorkflowHistory

import worker.app
from euryale import Euryale, EuryalePlugin

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "integration" / "sample"
FOLDER = Path(__file__).parent / "histories"

_SCRUBBED = "recorder"


def plugin_of(application: str) -> EuryalePlugin:
    """The plugin of the shop, the shelf, the sample or the vault, as a worker has it."""
    if application == "shop":
        return EuryalePlugin(worker.app.app, root=ROOT, apply_schedules=False)
    if application == "shelf":
        return shelf_plugin(Stage(None))
    if str(SAMPLE) not in sys.path:
        sys.path.insert(0, str(SAMPLE))
    sample: Euryale = importlib.import_module(f"{application}_app").app
    return EuryalePlugin(sample, root=SAMPLE, apply_schedules=False)


def read(file: Path) -> WorkflowHistory:
    events = json.loads(file.read_text(encoding="utf-8"))
    started = events["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], events)


def write(file: Path, history: WorkflowHistory) -> None:
    """Write a history as `temporal workflow show -o json` does, without the machine's own names."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scrubbed = _scrub(json.loads(history.to_json()))
    file.write_text(json.dumps(scrubbed, indent=1) + "\n", encoding="utf-8")


def _scrub(value: Any) -> Any:
    """Without who did it and where: nothing that a replay compares."""
    if isinstance(value, list):
        return [_scrub(one) for one in value]
    if not isinstance(value, dict):
        return value
    sticky = value.get("kind") == "TASK_QUEUE_KIND_STICKY"
    return {
        name: _SCRUBBED if name == "identity" or (sticky and name == "name") else _scrub(one)
        for name, one in value.items()
        if name != "stackTrace"
    }
