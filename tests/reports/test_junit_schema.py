"""JUnit files held to what the viewers' common schema asks for, in our own words.

By hand, once: every file that is made here validates against Jenkins' own junit-10.xsd (xmllint), but that
the newest edition of it no longer knows the `file` and `line` of a case, which GitLab and GitHub show.
"""

import re
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from junitparser import JUnitXml

from reports.junit import check_to_junit, study_to_junit, to_junit
from tests.reports.checks import CHECKS
from tests.reports.runs import CASES, FINDINGS
from tests.reports.studies import STUDIES
from tests.reports.test_files import HOSTILE, poisoned

FILES = {
    **{f"run-{name}": lambda case=case: to_junit(*case(), FINDINGS) for name, case in CASES.items()},
    **{name: lambda case=case: check_to_junit(*case()) for name, case in CHECKS.items()},
    **{name: lambda case=case: study_to_junit(*case()) for name, case in STUDIES.items()},
}

COUNTS = {"tests", "failures", "errors"}

# Element -> attributes it must have, attributes it may have besides, children it may have, in any order.
ELEMENTS = {
    "testsuites": (set(), {"name", "time", *COUNTS}, {"testsuite"}),
    "testsuite": (
        {"name", *COUNTS}, {"time", "skipped", "timestamp", "hostname"}, {"properties", "testcase"}
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"classname", "time", "file", "line"}, {"failure", "error", "system-out"}),
    "failure": (set(), {"message", "type"}, set()),
    "error": (set(), {"message", "type"}, set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip
WITH_TEXT = {"failure", "error", "system-out"}


def root_of(xml):
    return JUnitXml.fromstring(xml)._elem


def complaints(element):
    """Return what is wrong with an element and all below it."""
    if element.tag not in ELEMENTS:
        return [f"<{element.tag}> is unknown"]
    needed, allowed, children = ELEMENTS[element.tag]
    found = set(element.attrib)
    said = [f"<{element.tag}> lacks {name}" for name in needed - found]
    said += [f"<{element.tag}> has {name}" for name in found - needed - allowed]
    said += [f"<{element.tag}> holds <{child.tag}>" for child in element if child.tag not in children]
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if element.tag not in WITH_TEXT and "".join(texts).strip():
        said.append(f"<{element.tag}> holds text")
    for name in COUNTS & found | {"skipped"} & found:
        said += [] if element.get(name).isdecimal() else [f"{name} is no count"]
    time = element.get("time", "0")
    said += [] if re.fullmatch(r"[0-9]+(\.[0-9]+)?", time) else [f"{time} is no time"]
    return said + [one for child in element for one in complaints(child)]


def counted(xml):
    suite = root_of(xml)[0]
    cases = suite.findall("testcase")
    return suite, {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
    }


@pytest.mark.parametrize("name", FILES)
def test_viewers_find_nothing_to_complain_about(name):
    xml = FILES[name]()
    assert complaints(root_of(xml)) == []
    suite, counts = counted(xml)
    assert {key: int(suite.get(key)) for key in counts} == counts
    assert suite[0].tag == "properties"  # some look for them there only
    names = [(case.get("classname"), case.get("name")) for case in suite.findall("testcase")]
    assert len(set(names)) == len(names)


@settings(max_examples=25)
@given(HOSTILE)
def test_nor_when_strangers_chose_the_names(text):
    assert complaints(root_of(to_junit(*poisoned(text)))) == []


@pytest.mark.parametrize(
    ("spoiled", "complaint"),
    [
        (("<testsuites ", '<testsuites skipped="0" '), "<testsuites> has skipped"),
        (("<property ", "<proprety "), "<properties> holds <proprety>"),
        (('<property name="seed" ', "<property "), "<property> lacks name"),
        (('time="40.842"', 'time="4e1"'), "4e1 is no time"),
        (("<system-out>", f"<error type={quoteattr('a')}/><system-out>"), ""),
        (("<properties>", "<properties>text"), "<properties> holds text"),
    ],
)
def test_what_viewers_would_refuse_is_noticed(spoiled, complaint):
    xml = FILES["run-failing"]().decode()
    assert spoiled[0] in xml
    found = complaints(root_of(xml.replace(*spoiled)))
    assert complaint in found if complaint else not found
