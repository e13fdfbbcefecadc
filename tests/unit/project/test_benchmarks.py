"""The benchmark's results, page, plot, sampler and copied orders; the measurements are by hand."""

import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import create_engine

from benchmarks.filling import Copying, order_rows
from benchmarks.loads import Load, quick_loads, usual_loads
from benchmarks.page import PAGE, PARTS, filled
from benchmarks.plot import draw
from benchmarks.profile_order import shape
from benchmarks.results import Measurement, Result, goals
from benchmarks.sampling import Sampler
from benchmarks.warehouse import create_warehouse


def result(load: Load, rate: float) -> Result:
    """Make a result in which all but the rate is the same."""
    cpu = {"worker": 10.0, "floor": 2.0, "naive": 5.0}
    rss = dict.fromkeys(("worker", "server", "API", "simulators"), 100.0)
    return Result(load, 10, rate, 1, 2, 3, cpu, rss, 30, 0, 9_000, 10, 80, 0, 0)


@pytest.fixture
def measurement() -> Measurement:
    """Two rounds of the usual loads; each is faster by half in the second."""
    results = [
        result(load, (load.at_once + load.workers) * factor)
        for factor in (1.0, 1.5)
        for database in ("sqlite", "postgresql")
        for load in usual_loads(database)
    ]
    return Measurement("abc", "a machine", "2026-01-01T00:00+00:00", results)


def test_results_survive_their_file(measurement: Measurement, tmp_path: Path) -> None:
    """Every run, with its load."""
    measurement.save(tmp_path / "results.json")
    assert Measurement.load_file(tmp_path / "results.json") == measurement


def test_goals_compare_medians(measurement: Measurement) -> None:
    """Ratios of the medians of two rounds; every load of the goals is among the quick ones."""
    values = {goal.name: goal.value for goal in goals(measurement, "sqlite")}
    assert values["orders/s, 50 at once / 1 at once"] == pytest.approx(51 / 2)
    assert values["orders/s, 2 workers / 1, 50 at once"] == pytest.approx(52 / 51)
    assert values["worker CPU, ours / floor, 50 at once"] == 5
    quick = Measurement("", "", "", [result(load, 1.0) for load in quick_loads("sqlite")])
    assert all(goal.value is not None for goal in goals(quick, "sqlite"))


def test_page_has_every_measured_part(measurement: Measurement) -> None:
    """The parts are replaced, and nothing else."""
    page = PAGE.read_text()
    once = filled(page, measurement)
    assert [f"<!-- measured: {name} -->" in page for name in PARTS] == [True] * len(PARTS)
    assert "| ours prepaid, 50 at once | 63.8 (51.0-76.5) |" in once
    assert filled(once, measurement) == once
    assert page.split("<!--")[0] == once.split("<!--")[0]


def test_plot_has_a_panel_for_each_database(measurement: Measurement) -> None:
    """Valid XML with the names of databases and contenders."""
    texts = [element.text for element in ElementTree.fromstring(draw(measurement)).iter()]
    assert texts.count("ours") == texts.count("floor") == texts.count("4 workers") == 2


def test_statements_of_one_shape_are_equal() -> None:
    """Columns, parameters and their number make no difference."""
    assert (
        shape("SELECT a, b \nFROM t \nWHERE t.a IN (?, ?)") == "SELECT .. FROM t WHERE t.a IN (?..)"
    )
    assert shape("INSERT INTO t (a, b) VALUES (%(a)s::VARCHAR, %(b)s)") == "INSERT INTO t"
    assert (
        shape("UPDATE t SET a=%(a)s::VARCHAR WHERE t.b = %(b)s") == "UPDATE t SET a=? WHERE t.b = ?"
    )


@pytest.fixture
def busy_thread() -> Iterator[str]:
    """Run a thread that computes; yields the name of its function."""
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            sum(range(100))

    thread = threading.Thread(target=compute)
    thread.start()
    yield compute.__qualname__
    done.set()
    thread.join()


def test_sampler_finds_function_that_uses_the_cpu(busy_thread: str) -> None:
    """The CPU time of a thread goes to the function that it is in."""
    sampler = Sampler()
    while not sampler.cpu_ns:
        sampler.sample()
    assert any(frame.endswith(f":{busy_thread}") for stack in sampler.cpu_ns for frame in stack)


def test_copied_order_has_all_rows_of_its_template(tmp_path: Path) -> None:
    """Each copy has the same number of rows in each table, under an id of its own."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    warehouse = create_warehouse(url, 40)
    step = warehouse.record(warehouse.document(3))
    warehouse.reserve(step)
    warehouse.issue_goods(step, warehouse.plan_shipments(step))
    warehouse.database.close()
    engine = create_engine(url)
    copying = Copying(step.order_id, "COPY", 1, "sqlite")
    with engine.begin() as connection:
        rows = order_rows(connection, step.order_id)
        for table, row in rows:
            connection.execute(copying.statement(table, row, range(5, 7)))
        copied = order_rows(connection, "COPY6")
    engine.dispose()
    assert [table.name for table, _ in copied] == [table.name for table, _ in rows]
    assert {"orders", "order_lines", "shipments", "packages", "journal_postings"} <= {
        table.name for table, _ in rows
    }
