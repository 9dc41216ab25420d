"""``python -m ops [--runbooks URL]``: write the rules, their cases and the dashboards anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from ops.alerts import RUNBOOKS
from ops.dashboards import DASHBOARDS, rendered
from ops.rules import cases, rules

HERE: Final = Path(__file__).parent


def files(runbooks: str = RUNBOOKS) -> dict[Path, str]:
    """Every file and what stands in it."""
    found = {
        HERE / "prometheus" / "custody.rules.yml": rules(runbooks),
        HERE / "prometheus" / "custody.cases.yml": cases(runbooks),
    }
    return found | {HERE / "grafana" / f"{each.name}.json": rendered(each) for each in DASHBOARDS}


def main() -> int:
    """Write them, and say which."""
    parser = argparse.ArgumentParser(description="Write alert rules and dashboards.")
    parser.add_argument("--runbooks", default=RUNBOOKS, help="where the pages of docs/runbooks are published")
    for path, text in files(parser.parse_args().runbooks).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path.relative_to(HERE.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
