"""Do two runs of the suite agree within what they state? Measure twice, then compare shape by shape.

python main.py profile --model gpt2 --suite full --budget 2m --out a.json      (twice, on a quiet machine)
python benchmarks/agreement.py a.json b.json
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner.timing import profile as profiles
from planner.timing.profile_comparison import compare


def main() -> None:
    """Print the agreement of two profiles, and each class of operation."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    before, after = (profiles.load(Path(name)) for name in sys.argv[1:])
    found = compare(before, after)
    print(f"{'':36}{'shapes':>7}{'ratio':>8}{'spread':>8}{'inside':>8}")
    for one in found.changes:
        name = " ".join(filter(None, (one.operation, one.direction, one.manner)))
        print(f"{name:36}{one.shapes:7}{one.time_ratio:8.3f}{one.spread:8.1%}{one.inside:8}")
    print(found.agreement or "no shape in common")


if __name__ == "__main__":
    main()
