import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints_mock.domains.finqa import finqa_domain
from endpoints_mock.domains.finqa.corpus import YEARS, companies, filings
from endpoints_mock.domains.finqa.graders import brittle, numeric, read_quantity
from endpoints_mock.domains.finqa.questions import train_and_valid
from tests.endpoints_mock.conftest import request

DOMAIN = finqa_domain()


def tool(name, **arguments):
    return DOMAIN.tools[name](arguments, "trace_1")


def hits(**arguments):
    return msgspec.json.decode(tool("search", **arguments))


# -- the filings


def test_there_are_2800_filings_each_at_its_own_path():
    documents = filings(companies())
    assert len({document.path for document in documents}) == len(documents) == 2_800


def test_the_same_seed_writes_the_same_filings():
    assert filings(companies()) == filings(companies())
    assert companies(1) != companies(2)


def test_the_prior_year_column_repeats_the_filing_before():
    company = companies()[0]
    for path in tool("list", path=f"/filings/{company.ticker}/2014").split():
        text = tool("cat", path=path)
        statement = "income" if "statements of income" in text else "balance"
        for metric in company.metrics(statement):
            figures = company.figures[metric]
            row = next(line for line in text.splitlines() if line.startswith(metric + "  "))
            assert row.split()[-2:] == [f"{figures[2014]:,.1f}", f"{figures[2013]:,.1f}"]


# -- the tools


def test_search_finds_the_company_and_the_year():
    found = 0
    for company in companies()[:40]:
        first = hits(query=f"{company.name} long-term debt 2014")
        found += any(f"/{company.ticker}/2014/" in hit["path"] for hit in first)
        assert f"/{company.ticker}/" in first[0]["path"]
    assert found >= 20


def test_search_returns_what_it_is_asked_for_nearest_first():
    found = hits(query="net revenues 2012", top_k=20)
    assert len(found) == 20
    assert [hit["score"] for hit in found] == sorted((hit["score"] for hit in found), reverse=True)
    assert all(set(hit) == {"path", "score", "snippet"} and -1 <= hit["score"] <= 1 for hit in found)


@pytest.mark.parametrize("query", ["", "zzzz qqqq", "12345", "\ud800", "x" * 1_000_000])
def test_search_has_an_answer_to_any_query(query):
    assert len(hits(query=query)) == 5


def test_directories_lead_from_the_root_to_a_page():
    tickers = tool("list", path="/filings").split()
    assert len(tickers) == 140
    years = tool("list", path=tickers[0]).split()
    assert len(years) == len(YEARS)
    first, second = tool("list", path=years[0]).split()
    assert tool("cat", path=first) != tool("cat", path=second)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search", {}),
        ("search", {"query": 1}),
        ("search", {"query": "x", "top_k": 0}),
        ("search", {"query": "x", "top_k": "5"}),
        ("search", {"query": "x", "top_k": 10**9}),
        ("list", {}),
        ("list", {"path": "/etc"}),
        ("list", {"path": None}),
        ("cat", {}),
        ("cat", {"path": "/filings"}),
        ("cat", {"path": "../../etc/passwd"}),
    ],
)
def test_bad_arguments_are_soft_errors(name, arguments):
    assert tool(name, **arguments).startswith("Error: ")


def test_a_wrong_path_is_told_as_the_benchmark_does():
    assert tool("cat", path="/filings/NONE") == "Error: not a valid document: /filings/NONE"
    assert len(tool("cat", path="x" * 100_000)) < 300


# -- the graders


@pytest.mark.parametrize(
    ("reference", "answer", "score"),
    [
        ("12.4%", "12.4%", 1), ("12.4%", "12.4", 1), ("12.4%", "0.124", 1), ("12.4%", "12.43 percent", 1),
        ("12.4%", "The answer is 12.4%.", 1), ("12.4%", "From 2013 to 2014 it rose by 12.4%", 1),
        ("12.4%", "The answer is 12.4%, up from 3.1% in 2013", 1), ("12.4%", "= 12.4%", 1),
        ("12.4%", "-12.4%", 0.5), ("12.4%", "(12.4)%", 0.5), ("12.4%", "12.0%", 0.5), ("12.4%", "14%", 0),
        ("12.4%", "", 0), ("12.4%", "unknown", 0), ("12.4%", "2014", 0), ("12.4%", "1240%", 0.5),
        ("-3.2%", "-3.2%", 1), ("-3.2%", "(3.2%)", 1), ("-3.2%", "\u22123.2 %", 1), ("-3.2%", "3.2%", 0.5),
        ("0.4%", "0.44%", 1), ("0.4%", "0.5%", 0),
        ("1234.5 million", "1234.5 million", 1), ("1234.5 million", "$1,234.5", 1),
        ("1234.5 million", "$1,234.5 million", 1), ("1234.5 million", "US$ 1.2345 billion", 1),
        ("1234.5 million", "1,234,500,000", 1), ("1234.5 million", "1,234,500 thousand", 1),
        ("1234.5 million", "($1,234.5 million)", 0.5), ("1234.5 million", "1234.5 thousand", 0.5),
        ("1234.5 million", "1290", 0.5), ("1234.5 million", "1400", 0), ("1234.5 million", "-$1,234.5", 0.5),
        ("1234.5 million", "1.2bn", 0.5), ("1234.5 million", "1234.5m", 1),
        ("4.078", "4.078", 1), ("4.078", "4.08x", 1), ("4.078", "407.8%", 1), ("4.078", "4.2", 0.5),
        ("2014", "2014", 1), ("2014", "in 2014", 1), ("2014", "2013", 1), ("2014", "1890", 0),
        ("yes", " YES ", 1), ("yes", "no", 0),
    ],
)  # fmt: skip
def test_numeric_grader(reference, answer, score):
    assert numeric(answer, {"reference_answer": reference}, "t") == score


@pytest.mark.parametrize(
    ("answer", "score"), [("12.4%", 1), (" 12.4%\n", 1), ("12.40%", 0), ("The answer is 12.4%", 0), ("", 0)]
)
def test_brittle_grader(answer, score):
    assert brittle(answer, {"reference_answer": "12.4%"}, "t") == score


@given(st.text(), st.text())
def test_numeric_grader_has_a_score_for_any_texts(answer, reference):
    assert numeric(answer, {"reference_answer": reference}, "t") in {0.0, 0.5, 1.0}


@given(st.floats(0.001, 1e9), st.sampled_from(["{:.1f}%", "{:,.2f}", "{:.3f} million", "${:,.1f}"]))
def test_a_figure_equals_itself(value, style):
    text = style.format(value)
    assert numeric(text, {"reference_answer": text}, "t") == 1.0


@pytest.mark.parametrize("text", ["1," * 500_000, "9" * 1_000_000, "(" * 1_000_000, "answer is " * 100_000])
def test_a_long_answer_is_read_in_no_time(text):
    read_quantity(text)


@pytest.mark.parametrize("item", [{}, {"reference_answer": None}, {"reference_answer": 12.4}])
@pytest.mark.parametrize("grader", [numeric, brittle])
def test_an_item_without_reference_cannot_be_graded(grader, item):
    with pytest.raises(ValueError, match="reference_answer"):
        grader("1", item, "t")


# -- the questions


def test_questions_are_many_and_none_is_shared():
    train, valid = train_and_valid()
    assert len(train) >= 100
    assert len(valid) >= 50
    texts = {question.text for question in [*train, *valid]}
    assert len(texts) == len(train) + len(valid)
    assert not {(q.company, q.figures) for q in train} & {(q.company, q.figures) for q in valid}
    assert not {q.company for q in train} & {q.company for q in valid}


def test_no_question_gives_away_a_path_and_each_has_an_answer_that_counts():
    train, valid = train_and_valid()
    for question in [*train, *valid]:
        assert "/" not in question.text
        assert numeric(question.answer, {"reference_answer": question.answer}, "t") == 1.0
        assert read_quantity(question.answer).number != 0


async def test_the_domain_over_http(running):
    async with running(DOMAIN, token="t") as client:
        body = msgspec.json.encode(
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_1",
                "name": "cat",
                "arguments": '{"path":"/nowhere"}',
                "trace_id": "trace_1",
                "item": {},
            }
        )
        answered = await client.send(request("POST", "/tools/cat", body, authorization="Bearer t"))
        grade = await client.post(
            "/grade-brittle",
            b'{"sample":{"choices":[],"output_text":"12%"},"item":{"reference_answer":"12%"},"trace_id":"t"}',
            authorization="Bearer t",
        )
    assert (answered.status, answered.json["output"]) == (200, "Error: not a valid document: /nowhere")
    assert grade.json == {"score": 1.0}
