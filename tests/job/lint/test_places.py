"""What is nested as deeply as no reader lets pass makes no exception all the same."""

import sys

import msgspec

from simulator.errors import JobError
from simulator.job.document import Node, Source
from simulator.job.lint.places import fingerprint, place, place_in_row, some, strings
from simulator.model import Item


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_a_fingerprint_tells_values_apart_and_not_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1, "b": [2]}) != fingerprint({"a": 1, "b": [2.5]})
    assert fingerprint(nested(sys.getrecursionlimit())) is None


DEEP = "[" * 2 * sys.getrecursionlimit() + "]" * 2 * sys.getrecursionlimit()


def test_the_place_of_what_cannot_be_found_again_is_its_file():
    assert place(Node(Source("job.json", f"[{DEEP}, 1]", JobError), 1, (1,))) == "job.json"


def test_in_a_row_it_is_the_row():
    item = Item(0, "train", 3, msgspec.Raw(f'{{"a": {DEEP}, "b": 1}}'.encode()), {}, column=2)
    assert place_in_row(item, "train.jsonl", ("b",)) == "train.jsonl:3:2"
    assert place_in_row(item, "train.jsonl", ("a",)) == "train.jsonl:3:8"


def test_strings_come_in_the_order_of_the_text():
    value = {"a": ["x", {"b": "y"}], "c": "z"}
    assert [text for _, text in strings(value)] == ["a", "c", "x", "b", "y", "z"]
    assert {text: path for path, text in strings(value)}["y"] == ("a", 1, "b")
    assert not list(strings(nested(5000)))


def test_long_lists_of_names_are_cut():
    assert some([str(n) for n in range(10)]).endswith('"9"')
    assert some([str(n) for n in range(12)]).endswith('"9" and 2 more')
