"""Causes every fault and writes the table in docs/safety.md: ``python docs/make_fault_table.py``; `make prove` runs it.

Fails when a fault was missed, or when a light went off later than its limit allows.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "safety.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
LIMITS_MS = {"500 ms": 500, "watchdog": 2050, "guardian": 3000}
LEAST = 30


def main() -> None:
    """Run the tests that cause faults, check their figures, put them into the page."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rows.jsonl"
        tests = ["tests/test_faults.py", "tests/test_faults_process.py"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--timeout", "120", *tests],
            cwd=ROOT,
            env={**os.environ, "DAPISCOPE_FAULT_TABLE": str(target)},
            check=False,
        )
        rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    late = [row for row in rows if row["limit"] in LIMITS_MS and row["dark_ms"] > LIMITS_MS[row["limit"]]]
    for row in late:
        sys.stderr.write(f"too late: {row['fault']}: {row['dark_ms']} ms, limit {row['limit']}\n")
    if done.returncode or late or len(rows) < LEAST:
        sys.exit(
            f"The table was left as it is: {len(rows)} faults, {len(late)} too late, tests ended {done.returncode}."
        )
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")


def table(rows: list[dict[str, Any]]) -> str:
    """Return the tables as Markdown: lights that go off, lights that were never on, lights nobody can reach."""
    parts = [f"{len(rows)} faults, last caused on {datetime.now(UTC):%Y-%m-%d}."]
    lit = [row for row in rows if row["limit"] in LIMITS_MS]
    parts += ["\n### The light goes off\n", _head("dark after", "limit")]
    parts += [_line(row, f"{_time(row)}{_how(row)}", row["limit"]) for row in lit]
    parts += ["\n### The light is never on\n", _head()]
    parts += [_line(row) for row in rows if row["limit"] == "never lit"]
    parts += ["\n### The light cannot be reached\n", _head()]
    parts += [_line(row) for row in rows if row["limit"] == "impossible"]
    return "\n".join(parts)


def _time(row: dict[str, Any]) -> str:
    return f"{row['dark_ms']} ms" if row["dark_ms"] else "under 1 ms"


def _how(row: dict[str, Any]) -> str:
    return f" ({row['how']})" if row["how"] else ""


def _head(*more: str) -> str:
    names = ("fault", "what the operator reads", "what is kept", *more)
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def _line(row: dict[str, Any], *more: str) -> str:
    cells = [str(cell).replace("|", "\\|") for cell in (row["fault"], row["sees"], row["keeps"], *more)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
