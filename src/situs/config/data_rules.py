"""What must hold between the data sets of a configuration and the rest."""

from __future__ import annotations

from situs.config import countries
from situs.config.problems import Path, Report, nearest
from situs.config.tree import Config
from situs.core.data import Leaves


def check_data(config: Config, report: Report) -> None:
    """Countries exist, references lead somewhere, and what never leaves lies somewhere."""
    loci, declared = report.below("loci"), report.below("data")
    for name, entry in config.data.items():
        path: Path = ("data", name)
        countries.check(entry.jurisdiction, (*path, "jurisdiction"), report, unknown=False)
        for place, locus in enumerate(entry.loci):
            if locus not in loci:
                close = nearest(locus, loci)
                what = "no such locus is configured"
                report.add((*path, "loci", str(place)), what, nearest=close)
        if entry.leaves is Leaves.NEVER and not entry.loci:
            report.add((*path, "loci"), "missing; what never leaves must lie somewhere")
        if "," in name:
            report.add(path, "a comma separates names in x-situs-data; choose another name")
    for name, route in config.routes.items():
        for place, one in enumerate(route.data):
            if one not in declared:
                close = nearest(one, declared)
                at = ("routes", name, "data", str(place))
                report.add(at, "no such data set is configured", nearest=close)
