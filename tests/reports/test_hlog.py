import re
from collections import Counter, defaultdict

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.hlog import tag_of, to_hlog
from reports.results import Results
from simulator.errors import InputError
from simulator.measure.detail import Detail, detail_of
from simulator.measure.histogram import Histogram
from simulator.measure.lines import AttemptLine, CallLine, RolloutLine
from tests.reports.runs import CASES, failing, passing

NS = HdrHistogram(1, 3_600_000_000_000, 3)


def read(log, path):
    """Return the histograms of each tag, added up, and how many intervals each has."""
    path.write_bytes(log)
    reader, totals, intervals = HistogramLogReader(str(path), NS), {}, Counter()
    while (interval := reader.get_next_interval_histogram()) is not None:
        total = totals.setdefault(interval.get_tag(), HdrHistogram(1, 3_600_000_000_000, 3))
        total.add(interval)
        intervals[interval.get_tag()] += 1
    reader.close()
    return totals, intervals


def line(number, endpoint, done_ms, took_ms, fault=None):
    attempt = AttemptLine(done_ms - took_ms, done_ms - took_ms, done_ms, done_ms, 200, fault)
    call = CallLine(endpoint, f"call_{number}", "{}", "", 0, fault, False, (), [attempt])
    return RolloutLine(
        number, 1, "training", 0, number, 0, 1, "train", f"trace_{number}", "ungraded", "", None, "", 1,
        False, 0.0, done_ms, 0.0, [[call]], None,
    )  # fmt: skip


def without_what_zlib_decides(log):
    return re.sub(r"HIST[\w+/=]+", "HIST...", log.decode())


@pytest.mark.parametrize("case", ["passing", "failing", "crowded", "unmeasured"])
def test_looks_like_its_golden_file(case, golden):
    golden(f"{case}.hlog", without_what_zlib_decides(to_hlog(Results(*CASES[case]()))))


@pytest.mark.parametrize("case", ["failing", "crowded", "interrupted", "unmeasured"])
def test_adds_up_to_the_counts_and_percentiles_of_the_report(case, tmp_path):
    summary, verdict = CASES[case]()
    totals, _ = read(to_hlog(Results(summary, verdict)), tmp_path / "latency.hlog")
    for endpoint in summary.endpoints:
        for tag, durations, encoded in (
            (endpoint.name, endpoint.service_ms, summary.histograms[endpoint.name].service),
            (
                f"{endpoint.name}:schedule_delay",
                endpoint.schedule_delay_ms,
                summary.histograms[endpoint.name].schedule_delay,
            ),
        ):
            count = Histogram.from_hdr(encoded).count
            assert (totals[tag].get_total_count() if tag in totals else 0) == count
            for name, percentile in (("p50", 50), ("p99", 99), ("p999", 99.9)):
                if count:
                    ns = totals[tag].get_value_at_percentile(percentile)
                    assert ns / 1e6 == pytest.approx(getattr(durations, name), rel=2e-3, abs=2e-3)


def test_intervals_are_the_pieces_of_the_detail(tmp_path):
    seconds = [0.4, 0.9, 1.5, 7.2, 7.3, 260.0]  # the last makes pieces of four seconds
    detail = detail_of(line(n, "search", 1000 * s, 100 * (n + 1)) for n, s in enumerate(seconds))
    assert detail.bin_s == 4
    log = to_hlog(Results(*passing(), detail=detail))
    rows = [row.split(",") for row in log.decode().splitlines() if row.startswith("Tag=search,")]
    assert [(begin, length) for _, begin, length, *_ in rows] == [
        ("0.000", "4.000"), ("4.000", "4.000"), ("260.000", "4.000")
    ]  # fmt: skip
    assert [float(longest) for _, _, _, longest, _ in rows] == pytest.approx([300, 500, 600], rel=1e-3)
    totals, intervals = read(log, tmp_path / "log")
    assert (totals["search"].get_total_count(), intervals["search"]) == (6, 3)
    begins = [float(row.split(",")[1]) for row in log.decode().splitlines() if row.startswith("Tag=")]
    assert begins == sorted(begins)  # readers stop at the first that lies beyond what they look for


def test_says_when_the_run_began_and_what_the_numbers_are():
    log = to_hlog(Results(*failing())).decode()
    assert log.startswith("#[Logged with rft-preflight]\n#[Histogram log format version 1.3]\n")
    assert "#[StartTime: 1767268800.000 (seconds since epoch), Thu Jan 01 12:00:00 UTC 2026]\n" in log
    assert "nanoseconds" in log
    assert '\n"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\nTag=' in log


@pytest.mark.parametrize("instant", ["", "yesterday\n1,2,3,HIST", "0001-01-01T00:00:00Z"])
def test_a_start_that_cannot_be_read_is_left_out(instant, tmp_path):
    summary, verdict = passing()
    log = to_hlog(Results(msgspec.structs.replace(summary, started_at=instant), verdict))
    assert b"StartTime:" not in log
    assert "search" in read(log, tmp_path / "log")[0]


def test_a_histogram_that_is_none_is_told_of():
    summary, verdict = passing()
    broken = msgspec.structs.replace(summary.histograms["search"], schedule_delay="HISTnonsense")
    summary = msgspec.structs.replace(summary, histograms={"search": broken})
    with pytest.raises(InputError, match=r"report\.json: the histogram of search cannot be read"):
        to_hlog(Results(summary, verdict))


ODD = ["", "%", "a", "a:schedule_delay", "a,b", "a b", "a\nb", "#a", "Tag=a", "a%2Cb", "\ud800"]
NAMES = st.sampled_from(ODD) | st.text(st.characters(codec=None, exclude_categories=()), max_size=20)


@settings(max_examples=15)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_a_name_breaks_no_line_and_is_no_other(tmp_path_factory, names):
    tags = [tag_of(name) for name in names]
    assert len({*tags, *(f"{tag}:schedule_delay" for tag in tags)}) == 2 * len(names)
    detail = Detail()
    for n, name in enumerate(names):
        for _ in range(n + 1):
            detail.add(line(n, name, 500.0, 20.0))
    log = to_hlog(Results(*CASES["unmeasured"](), detail=detail))
    assert all(len(row.split(",")) == 5 for row in log.decode("ascii").split("\n") if row.startswith("Tag="))
    totals, _ = read(log, tmp_path_factory.getbasetemp() / "hostile.hlog")
    assert {tag: total.get_total_count() for tag, total in totals.items()} == {
        tag: n + 1 for n, tag in enumerate(tags)
    }


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 3e6), st.floats(0, 3e6)), max_size=30))
def test_nothing_is_lost_however_long_the_run_and_the_calls(tmp_path_factory, calls):
    detail = detail_of(line(n, name, done, min(took, done)) for n, (name, done, took) in enumerate(calls))
    log = to_hlog(Results(*CASES["unmeasured"](), detail=detail))
    totals, _ = read(log, tmp_path_factory.getbasetemp() / "long.hlog")
    expected = defaultdict(list)
    for name, done, took in calls:
        expected[name].append(min(took, done))
    assert {tag: total.get_total_count() for tag, total in totals.items()} == {
        name: len(times) for name, times in expected.items()
    }
    for name, times in expected.items():
        assert totals[name].get_max_value() / 1e6 == pytest.approx(max(times), rel=2e-3, abs=2e-3)
