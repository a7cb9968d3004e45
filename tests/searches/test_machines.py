"""A search on several machines, which are network namespaces: one is cut off, one dies."""

import time
from pathlib import Path

import pytest
from namespaces import NETWORK, machines
from postgresql import server
from search_commands import SEARCH, rows, start, wait_until

pytestmark = pytest.mark.slow
TRIALS = 60


def told_by(number: int, table: Path) -> set[str]:
    """The trials in a machine's table which it has run itself."""
    return {row["number"] for row in rows(table) if f"/s{number}/" in str((table / row["folder"]).absolute())}


def test_three_machines_share_a_study_of_which_one_is_cut_off_and_one_dies(app):
    """The study ends exact: every trial once, those of the lost machine and of the cut off one too."""
    begun = time.monotonic()

    def note(event: str) -> None:
        print(f"{time.monotonic() - begun:5.1f} s  {event}")  # noqa: T201 (shown by pytest -rP)

    with machines(3) as (hub, *others), server(address=hub.address, inside=hub.inside, hosts=f"{NETWORK}.0/24") as url:
        search = [
            *SEARCH, f"hydra.sweeper.storage='{url}'", "hydra.sweeper.study_name=ours", "sleep=0.5",
            f"hydra.sweeper.n_trials={TRIALS}", "hydra.sweeper.grace_period=16",
        ]  # fmt: skip
        supervisors = [
            start(app, *search, f"hydra.sweep.dir=s{number}", inside=machine.inside)
            for number, machine in enumerate(others, start=1)
        ]
        tables = [Path(f"s{number}") for number in (1, 2, 3)]
        wait_until(lambda: all((table / "trials.csv").is_file() for table in tables))
        wait_until(lambda: all(told_by(number, table) for number, table in enumerate(tables, start=1)))
        note(f"three machines at work, {len(rows(tables[0]))} trials told")
        first, second, third = supervisors
        third.kill()
        third.communicate()
        by_third = told_by(3, tables[2])
        note(f"the third is killed with -9; it told {len(by_third)}")
        others[1].cut_off()
        there = len(rows(tables[1]))
        note("the second is cut off")
        wait_until(lambda: len(rows(tables[0])) > there + 5)
        others[1].bring_back()  # within three quarters of the grace period, for which it waits
        note(f"the second is brought back; {len(rows(tables[0]))} trials are told")
        outputs = [supervisor.communicate(timeout=120)[0] for supervisor in (first, second)]
        note("both have left")
    assert [first.returncode, second.returncode] == [0, 0], outputs
    for table in tables[:2]:
        assert [row["number"] for row in rows(table)] == [str(trial) for trial in range(TRIALS)]
        assert {row["state"] for row in rows(table)} == {"COMPLETE"}
        assert len({row["x"] for row in rows(table)}) == TRIALS
    by_each = [len(told_by(number, tables[0])) for number in (1, 2, 3)]
    note(f"{TRIALS} trials complete, each once: {by_each} in the folders of the three")
    assert len(told_by(2, tables[1])) > there, "it took part again"
