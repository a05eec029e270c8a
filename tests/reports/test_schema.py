import copy
import functools
import json

import jsonschema
import pytest

from reports.check_json import check_to_json
from reports.json_report import to_json
from reports.schema import published, schema, schema_json
from reports.study_json import study_to_json
from tests.reports.checks import CHECKS
from tests.reports.runs import CASES, FINDINGS, failing
from tests.reports.studies import STUDIES
from tests.reports.test_files import CONTRACT

REPORTS = {
    **{f"run-{name}": lambda case=case: to_json(*case(), FINDINGS) for name, case in CASES.items()},
    **{name: lambda case=case: check_to_json(*case()) for name, case in CHECKS.items()},
    **{name: lambda case=case: study_to_json(*case()) for name, case in STUDIES.items()},
}
VALIDATOR = jsonschema.Draft202012Validator(json.loads(published()))


def test_the_published_schema_is_the_generated_one(request):
    if request.config.getoption("--update-golden"):
        (request.config.rootpath / "reports" / "report.schema.json").write_bytes(schema_json())
    assert published() == schema_json()


def test_it_is_a_schema_that_says_what_it_is_of():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert {"$schema", "$id", "title", "description"} <= schema().keys()
    undescribed = {
        name for name, one in schema()["$defs"].items() if one["type"] == "object" and not one["description"]
    }
    assert undescribed == set()


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_validates(name):
    report = json.loads(REPORTS[name]())
    for numbers in ("sent", "done", "faults"):  # which are long, and slow to look at
        for endpoint, series in report.get("series", {}).get(numbers, {}).items():
            report["series"][numbers][endpoint] = series[:9]
    VALIDATOR.validate(report)


PLACES = [
    [*(int(one) if one.isdigit() else one for one in place.split(".") if one), key]
    for place, keys in CONTRACT.items()
    for key in keys.split()
]


@functools.cache
def a_report():
    report = json.loads(to_json(*failing(), FINDINGS))
    report["series"] = {"in_flight": [], "sent": {}, "done": {}, "faults": {}}
    return report


def spoiled(path, do):
    report = copy.deepcopy(a_report())
    holder = report
    for key in path[:-1]:
        holder = holder[key]
    do(holder, path[-1])
    return report


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_report_without_a_key_or_with_another_type_does_not(path):
    assert not VALIDATOR.is_valid(spoiled(path, lambda holder, key: holder.pop(key)))
    assert not VALIDATOR.is_valid(spoiled(path, lambda holder, key: holder.update({key: [{}]})))


@pytest.mark.parametrize(
    ("path", "value", "valid"),
    [
        (["later"], {"any": "thing"}, True),
        (["endpoints", 0, "later"], 1, True),
        (["kind"], "run", True),
        (["kind"], "check", False),
        (["schema_version"], 2, False),
        (["verdict"], "passed", False),
        (["gates", 0, "observed"], None, True),
        (["grader", "scores", "mean"], None, True),
        (["duration_s"], None, False),
        (["steps", 0, "ideal_s"], None, True),
        (["steps", 0, "step"], 1.5, False),
    ],
)
def test_more_keys_are_allowed_and_nothing_is_null_but_what_may_be(path, value, valid):
    assert VALIDATOR.is_valid(spoiled(path, lambda holder, key: holder.__setitem__(key, value))) is valid
