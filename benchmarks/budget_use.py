"""How much of their error budgets the trials of a run use: by family, form and precision.

    python benchmarks/budget_use.py [reports/latest/report.json]

Of each trial that conforms and has rates, the greatest share of the budget at any step of any
sequence is taken; median and greatest are over those trials. A family of which no trial uses more
than a hundredth has a budget that is too loose: it is marked, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

LOOSE = 0.01

path = Path(sys.argv[1] if len(sys.argv) > 1 else "reports/latest/report.json")
shares: dict[tuple[str, str, str], list[float]] = defaultdict(list)
for trial in json.loads(path.read_text(encoding="utf-8"))["trials"]:
    used = [s["greatest_budget_share"] for s in trial["sequences"]]
    known = [float(share["value"]) for share in used if share]
    if trial["verdict"] == "conforms" and known:
        shares[trial["family"], trial["form"], trial["precision"]].append(max(known))

print(f"{'family':20} {'form':10} {'precision':10} {'trials':>6} {'median':>8} {'greatest':>9}")
loose = 0
for (family, form, precision), used in sorted(shares.items()):
    mark = "  too loose" if max(used) <= LOOSE else ""
    loose += bool(mark)
    print(
        f"{family:20} {form:10} {precision:10} {len(used):6} {median(used):8.3f} "
        f"{max(used):9.3f}{mark}"
    )
every = [share for used in shares.values() for share in used]
if every:
    print(f"{'all':42} {len(every):6} {median(every):8.3f} {max(every):9.3f}")
sys.exit(loose > 0)
