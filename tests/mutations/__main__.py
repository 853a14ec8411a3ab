"""Damaged, forged and odd inputs against the whole product: `python -m tests.mutations --seed 3 --minutes 5`.

The exit code is 1 where something was found. `--seed 3 --only PART --case I` repeats one case in this process.
"""

from __future__ import annotations

import argparse
import datetime
import sys

from tests.mutations.campaign import PARTS, judged, part_of, run, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=datetime.date.today().toordinal(), help="by default that of the day"
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="in all, shared by the parts")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--case", type=int, help="one case of the part that --only names")
    asked = parser.parse_args()
    if asked.case is not None:
        if len(asked.only or ()) != 1:
            parser.error("--case needs one --only")
        name = asked.only[0]
        part_of(name).warm()
        verdict = judged(name, asked.seed, asked.case)
        print(f"{name}, {part_of(name).kind(asked.case)}: {verdict.outcome.value}")
        print(verdict.note, verdict.detail, verdict.cost, sep="\n")
        return int(verdict.outcome.is_finding)
    print(f"seed {asked.seed}", flush=True)
    tried, findings = run(asked.seed, 60 * asked.minutes, tuple(asked.only or PARTS))
    print(table(tried))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
