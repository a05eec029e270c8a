import msgspec

from simulator.job.scenario import Overrides, load_scenario
from simulator.model import FunctionTool

from .folder import ENVIRON, FIND, row, write_folder


def load():
    return load_scenario("job.json", Overrides(), ENVIRON)


def test_items_keep_the_bytes_of_their_rows(folder):
    first = '{ "messages": [{"role":"user","content":"\\u00e9é"}],  "target": 1.50 }'
    write_folder(folder, train=f"\ufeff{first} \r\n\n\t\r\n  {row(extra=[1])}")
    one, two = load().train
    assert bytes(one.json) == first.encode()
    assert (one.index, one.line, one.row["target"], one.tools) == (0, 1, 1.5, ())
    assert (two.index, two.line, two.split) == (1, 4, "train")
    assert two.tools == (FunctionTool("find", FIND["function"]["parameters"]),)
    assert msgspec.json.decode(msgspec.json.encode({"item": two.json}))["item"] == two.row


def test_separators_that_only_unicode_knows_do_not_end_a_row(folder):
    write_folder(folder, train='{"messages": [{"role": "user", "content": "a\u2028b\x85c"}]}')
    assert len(load().train) == 1


def test_a_tool_may_have_no_parameters(folder):
    write_folder(folder, train=row(tools=[{"type": "function", "function": {"name": "read"}}]))
    assert load().train[0].tools == (FunctionTool("read", {}),)
