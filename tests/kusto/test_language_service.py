"""Every KQL text that the product contains or exports, before Microsoft's own language service."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from knockwatch.config import Config
from knockwatch.microsoft import DEVICE_TABLES, TABLES, columns
from tests.kql import exported, site, texts

HERE = Path(__file__).resolve().parent
PACKAGE = "KUSTO_LANGUAGE_SERVICE"
WATCHLIST = {
    # What Sentinel's function gives: its own columns, and those of the CSV.
    "_GetWatchlist": {
        "parameters": "(watchlistAlias:string)",
        "body": "{ datatable(SearchKey:string, Entry:string, Kind:string, Note:string)[] }",
    }
}


@pytest.fixture(scope="module")
def service() -> Path:
    """The folder of Microsoft's package."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed: `make kusto` needs it, and npm")
    folder = Path(os.environ.get(PACKAGE, HERE / "node_modules" / "@kusto" / "language-service-next"))
    if not (folder / "Kusto.Language.Bridge.min.js").is_file():
        pytest.skip(f"Microsoft's language service is not at {folder}: `make kusto`, or set {PACKAGE}")
    return folder


def check(service: Path, queries: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Give the diagnostics of each query."""
    asked = {
        "tables": {table: columns(table) for table in (*TABLES, *DEVICE_TABLES)},
        "functions": WATCHLIST,
        "queries": queries,
    }
    done = subprocess.run(
        ["node", str(HERE / "check.js")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, PACKAGE: str(service)},
    )
    answer: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("config", [Config(), site()], ids=["default", "site"])
def test_no_query_has_a_diagnostic(service: Path, tmp_path: Path, config: Config) -> None:
    queries = dict(texts(exported(tmp_path, config)))
    # The same text stands in a rule and in the deployment: it is checked once, under its last name.
    once = {text: name for name, text in queries.items()}
    found = check(service, {name: text for text, name in once.items()})
    assert found.keys() == set(once.values())
    assert {name: told for name, told in found.items() if told} == {}
    # Hunts, the specification; analytics rules, hunting queries, a workbook, the deployment; detections.
    assert len(queries) > 100


def test_the_service_knows_the_tables(service: Path) -> None:
    found = check(
        service,
        {
            "column": "Syslog | where Nope == 1",
            "type": "Syslog | where ProcessID has 'x' | extend y = TimeGenerated + 1",
            "syntax": "Syslog | where",
            "table": "Nope | take 1",
        },
    )
    assert all(found.values()), found
