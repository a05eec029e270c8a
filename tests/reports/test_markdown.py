import re
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports.markdown import MOST_BYTES, to_markdown
from reports.markdown_text import JOINER, code_block, escaped, marker
from reports.results import Results
from reports.text import plain
from tests.reports.runs import CASES, FINDINGS, crowded, failing, passing
from tests.reports.test_files import HOSTILE, poisoned

GFM = MarkdownIt("commonmark", {"linkify": True}).enable(["table", "strikethrough", "linkify"])

OURS = re.compile(r"<!-- rft-preflight [\w.~%-]* -->|<details><summary>[\w:', .]*</summary>|</details>")

FRAGMENTS = st.sampled_from(
    [
        "|", "\\", "\\|", "`", "``", "```", "~~~", "*a*", "**", "_a_", "__", "~~a~~",
        "<script>alert(1)</script>", "</details>", "<!--", "-->", "--!>", "<b>", "<http://x.test>",
        "[a](http://x.test)", "![a](b)", "[a]: http://x.test", "[ref]", "![", "](", "http://x.test",
        "https://x.test/a?b=c", "www.x.test", "a@x.test", "mailto:a@x.test", "@octocat", "@org/team",
        "#123", "GH-7", "org/repo#1", ":tada:", "$x$", "$$", "\n", "\r\n", "\n\n", "\n# a\n", "\n- a",
        "\n> a", "\n\n    a", "\t", " ", "  ", "#", "# a", "- a", "+ a", "* a", "1. a", "1) a", "> a",
        "---", "===", "|---|", ":-:", "&lt;", "&#64;", "&amp;", "\u2060", "\u202e",
    ]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=6).map("".join) | HOSTILE


def tokens_of(markdown):
    return [
        inner
        for token in GFM.parse(markdown)
        for inner in ([token] if token.type != "inline" else token.children)
    ]


def report(text):
    summary, verdict, findings = poisoned(text)
    load = msgspec.structs.replace(summary.load, mode=text)
    summary = msgspec.structs.replace(summary, load=load, command=text, failure=text)
    return to_markdown(Results(summary, verdict, findings)).decode()


def structure(markdown):
    """Return how many there are of each kind of block and of markup."""
    ignored = {"text", "code_inline", "softbreak", "fence"}
    return Counter(token.type for token in tokens_of(markdown) if token.type not in ignored)


@pytest.mark.parametrize("case", ["passing", "failing", "crowded", "invalid", "interrupted", "unmeasured"])
def test_looks_like_its_golden_file(case, golden):
    golden(f"{case}.md", to_markdown(Results(*CASES[case](), FINDINGS)).decode())


@settings(max_examples=40)
@given(TEXTS)
def test_what_strangers_wrote_stays_text(text):
    markdown = report(text)
    harmless = report("harmless")
    # The same blocks, tables and folds as with a harmless name, and nothing in them that came from the text.
    if plain(text).strip():
        assert structure(markdown) == structure(harmless)
    for token in tokens_of(markdown):
        assert token.type not in {"link_open", "image", "s_open", "em_open", "code_block"}
        if token.type in {"html_block", "html_inline"}:
            assert all(OURS.fullmatch(line) for line in token.content.split("\n") if line)


@settings(max_examples=40)
@given(TEXTS)
def test_nothing_is_lost_but_what_no_one_can_see(text):
    said = "".join(
        t.content for t in tokens_of(f"- x {escaped(text)} y") if t.type in {"text", "text_special"}
    )
    assert said.replace(JOINER, "").split() == f"x {plain(text)} y".split()


LATER = re.compile(
    r"@\w|#\w|(?:https?|ftp)://|www\.|:[\w+-]+:|gh-[0-9]|(?:mailto|xmpp):", re.IGNORECASE
)  # fmt: skip


@settings(max_examples=40)
@given(TEXTS)
def test_github_finds_nobody_to_notify_and_nothing_to_link_to(text):
    shown = "".join(token.content for token in tokens_of(f"- {escaped(text)}") if token.type != "html_block")
    assert LATER.search(shown) is None


@settings(max_examples=40)
@given(TEXTS)
def test_a_text_in_a_table_is_one_cell(text):
    table = f"| a | b |\n| --- | --- |\n| {escaped(text)} | end |"
    cells = [token for token in GFM.parse(table) if token.type == "td_open"]
    assert len(cells) == 2


@settings(max_examples=40)
@given(TEXTS)
def test_the_hidden_line_ends_where_it_should(text):
    hidden = marker("rft-preflight", text)
    tokens = GFM.parse(f"{hidden}\n## after")
    assert [token.type for token in tokens][:2] == ["html_block", "heading_open"]
    assert hidden.count("-->") == hidden.count("<!--") == 1
    assert OURS.fullmatch(hidden)


@settings(max_examples=40)
@given(TEXTS)
def test_a_command_cannot_leave_its_block(text):
    fence, after, *_ = GFM.parse(f"{code_block(text)}\nafter")
    assert (fence.type, fence.content) == ("fence", f"{plain(text)}\n")
    assert after.type == "paragraph_open"


WORST = ["x" * 5000, "<" * 5000, "@" * 5000, "🙂" * 5000, "`" * 5000, "_ " * 5000, "\u0800" * 5000]


@pytest.mark.parametrize("text", WORST, ids=lambda text: ascii(text[0]))
@pytest.mark.parametrize("times", [1, 40])
def test_it_is_short_enough_whatever_is_in_it(text, times):
    summary, verdict, findings = poisoned(text)
    replace = msgspec.structs.replace
    summary = replace(
        summary,
        command=text[:4000],
        endpoints=summary.endpoints * times,
        load=replace(summary.load, assumptions=(text,) * times),
        generator=replace(summary.generator, reasons=(text,) * times),
    )
    results = Results(summary, replace(verdict, gates=verdict.gates * times), findings * times)
    markdown = to_markdown(results)
    assert len(markdown) < MOST_BYTES
    assert markdown.startswith(b"<!-- rft-preflight ")
    assert "## ⚠️ INVALID".encode() in markdown
    folds = Counter(re.findall(rb"</?details>", markdown))
    assert folds[b"<details>"] == folds[b"</details>"] > 0
    assert (b"\nLeft out for want of room: " in markdown) == (times > 1)


def test_it_says_what_was_left_out():
    summary, verdict = failing()
    many = tuple(msgspec.structs.replace(FINDINGS[1], where=f"train.jsonl:{n}:1") for n in range(1000))
    told = to_markdown(Results(summary, verdict, many)).decode()
    shown = told.count("- **error** no-auth")
    assert f"Left out for want of room: {1000 - shown:,} findings" in told
    assert "`report.json` has all of it." in told
    assert "tools.error_rate" in told  # what comes before them is whole


def test_many_findings_are_folded_and_few_are_not():
    assert "### Findings: 1 error, 1 warning\n" in to_markdown(Results(*failing(), FINDINGS)).decode()
    many = to_markdown(Results(*failing(), FINDINGS * 3)).decode()
    assert "<details><summary>Findings: 3 errors, 3 warnings</summary>\n\n- **error** no-auth" in many
    assert "Findings" not in to_markdown(Results(*passing())).decode()


def test_a_later_run_of_the_scenario_has_the_same_hidden_line():
    first, second = (to_markdown(Results(*case())).split(b"\n")[0] for case in (passing, failing))
    assert first == second == b"<!-- rft-preflight finqa -->"


def test_what_fails_comes_first():
    told = to_markdown(Results(*crowded())).decode()
    rows = [line.split("|") for line in told.split("\n") if line.startswith("| mcp")]
    failing_ones = [cells[6].strip() != "none" for cells in rows if len(cells) == 9]
    assert failing_ones == sorted(failing_ones, reverse=True)
    assert sum(failing_ones) == 3
