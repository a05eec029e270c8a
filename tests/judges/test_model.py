import json

import httpx
import pytest
import trio

from simulator.errors import InputError
from simulator.judges import model as model_module
from simulator.judges.model import ModelJudge, ModelServer
from simulator.model import Grader
from tests.servers import plain_server

KEY = "sk-very-secret"
NAMES = {"sample": {"output_text": "blue"}, "item": {"reference": "azure"}}
SCORE = Grader(
    "score_model",
    "judge",
    settings={
        "model": "m",
        "input": [
            {"role": "developer", "content": "Grade."},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "{{item.reference}}: {{sample.output_text}}"}],
            },
            {"role": "assistant", "content": {"type": "output_text", "text": "{{sample.output_text}}"}},
        ],
        "range": [0, 5],
        "sampling_params": {
            "temperature": 0,
            "seed": 7,
            "max_completions_tokens": 99,
            "top_p": None,
            "odd": 1,
        },
    },
)
LABEL = Grader(
    "label_model",
    "judge",
    settings={
        "model": "m",
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
        "labels": ["good", "bad", "not good"],
        "passing_labels": ["good"],
    },
)
SERVER, PARSE, REFUSAL = (f"model_grader_{kind}_error" for kind in ("server", "parse", "refusal"))


def completion(content, **choice):
    return 200, {"choices": [{"message": {"role": "assistant", "content": content}, **choice}]}


class Model:
    """Answers from a list, the last for ever; `bodies` came in, `pauses` were made before the retries."""

    def __init__(self, *answers):
        self.answers, self.bodies, self.pauses = list(answers), [], []

    def __call__(self, path, body):
        assert path == "/v1/chat/completions"
        self.bodies.append(body)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        await trio.lowlevel.checkpoint()

    async def judge(self, grader, times=1):
        with plain_server(self) as url:
            server = ModelServer(f"{url}/v1/", KEY, time_limit_s=5)
            async with ModelJudge(grader, server, sleep=self.sleep) as judge:
                for _ in range(times):
                    judgement = await judge.judge(NAMES)
        return judgement


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def test_the_request_is_the_graders_own():
    model = Model(completion('{"steps": [], "result": 4}'))
    judgement = await model.judge(SCORE)
    assert (judgement.score, judgement.error) == (4.0, None)
    (body,) = model.bodies
    form = body.pop("response_format")
    assert body == {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Grade."},
            {"role": "user", "content": [{"type": "text", "text": "azure: blue"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "blue"}]},
        ],
        "temperature": 0,
        "seed": 7,
        "max_completion_tokens": 99,
    }
    schema = form["json_schema"]["schema"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    assert schema["properties"]["result"] == {"type": "number"}
    assert schema["required"] == ["steps", "result"]
    assert set(schema["properties"]["steps"]["items"]["properties"]) == {"description", "conclusion"}


async def test_a_label_model_is_given_the_labels():
    model = Model(completion('{"steps": [], "result": "good"}'))
    assert (await model.judge(LABEL)).score == 1.0
    schema = model.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["result"] == {"type": "string", "enum": ["good", "bad", "not good"]}


@pytest.mark.parametrize(
    ("content", "score"),
    [
        ('{"result": 2.5}', 2.5),
        ('{"result": "3"}', 3.0),
        ('```json\n{"result": 1}\n```', 1.0),
        ("4", 4.0),
        (" 0.75\n", 0.75),
        ("Score: 3.", 3.0),
        ("Of 10 points it has 8, so:\n4.5", 4.5),
        ("<think>1 or 2?</think>\n2", 2.0),
        ([{"type": "text", "text": "1"}], 1.0),
        ("1e0", 1.0),
    ],
)
async def test_a_score_is_read(content, score):
    assert (await Model(completion(content)).judge(SCORE)).score == score


@pytest.mark.parametrize(
    ("content", "score"),
    [
        ('{"result": "good"}', 1.0),
        ('{"result": "bad"}', 0.0),
        ("good", 1.0),
        ("**Good.**", 1.0),
        ("It is not good", 0.0),
        ("The label is: good", 1.0),
    ],
)
async def test_a_label_is_read(content, score):
    assert (await Model(completion(content)).judge(LABEL)).score == score


@pytest.mark.parametrize(
    ("grader", "content"),
    [
        (SCORE, "no idea"),
        (SCORE, ""),
        (SCORE, None),
        (SCORE, 7),
        (SCORE, "between 1 and 2"),
        (SCORE, "80%"),
        (SCORE, "3/5"),
        (SCORE, "v2"),
        (SCORE, '{"result": true}'),
        (SCORE, '{"result": null}'),
        (SCORE, '{"score": 1}'),
        (SCORE, '{"result": 1e400}'),
        (SCORE, '{"result": ' + "9" * 5000 + "}"),
        (SCORE, '{"result": 5.01}'),
        (SCORE, "-1"),
        (SCORE, "[" * 100_000),
        (LABEL, '{"result": "great"}'),
        (LABEL, '{"result": 1}'),
        (LABEL, "good or bad"),
        (LABEL, "goodness"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_cannot_be_read_is_a_parse_error(grader, content):
    judgement = await Model(completion(content)).judge(grader)
    assert (judgement.score, judgement.error) == (None, PARSE)
    assert len(judgement.details) <= 300


async def test_a_score_outside_the_range_is_told():
    judgement = await Model(completion("7")).judge(SCORE)
    assert judgement.details == "the score 7 lies outside of the range 0 to 5: '7'"


async def test_a_model_cut_off_before_it_wrote_is_told():
    judgement = await Model(completion("", finish_reason="length")).judge(SCORE)
    assert judgement.details == "the model wrote nothing: it ran into its token limit"


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"choices": [{"message": {"content": None, "refusal": "I will not."}}]}),
        completion(None, finish_reason="content_filter"),
    ],
)
async def test_a_refusal_is_told(answer):
    assert (await Model(answer).judge(SCORE)).error == REFUSAL


@pytest.mark.parametrize(
    "body", [{}, [], None, "x", {"choices": []}, {"choices": [[]]}, {"choices": [{"message": 1}]}]
)
async def test_what_is_no_completion_is_a_parse_error(body):
    assert (await Model((200, body)).judge(SCORE)).error == PARSE


async def test_a_server_that_refuses_the_format_is_asked_without_it_from_then_on():
    refused = 400, {"error": {"message": "no response_format here"}}
    model = Model(refused, completion("1"))
    assert (await model.judge(SCORE, times=2)).score == 1.0
    assert ["response_format" in body for body in model.bodies] == [True, False, False]


async def test_a_request_that_is_refused_either_way_is_told_as_first_answered():
    judgement = await Model((400, {"error": {"message": "no model m"}}), (400, {})).judge(SCORE)
    assert (judgement.error, judgement.details) == (SERVER, "the server answered 400: no model m")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_asked_again(status):
    model = Model((status, {}), (status, {}), (status, {}), completion("1"))
    assert (await model.judge(SCORE)).score == 1.0
    assert model.pauses == [1, 2, 4]


async def test_a_server_that_stays_busy_is_a_server_error():
    model = Model((503, {"error": {"message": f"the key {KEY} is tired"}}))
    judgement = await model.judge(SCORE)
    assert (judgement.error, judgement.details) == (SERVER, "the server answered 503: the key *** is tired")
    assert len(model.bodies) == 4


@pytest.mark.parametrize("status", [401, 404])
async def test_what_asking_again_cannot_mend_is_asked_once(status):
    model = Model((status, {"error": "no"}))
    assert (await model.judge(SCORE)).error == SERVER
    assert len(model.bodies) == 1


def with_transport(monkeypatch, handler):
    made = httpx.AsyncClient

    def client(**options):
        return made(transport=httpx.MockTransport(handler), **options)

    monkeypatch.setattr(model_module.httpx, "AsyncClient", client)


async def asked(grader=SCORE, time_limit_s=5.0):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    async with ModelJudge(
        grader, ModelServer("http://h/v1?version=hush", KEY, time_limit_s), sleep=sleep
    ) as judge:
        return await judge.judge(NAMES), pauses


async def test_the_key_and_the_query_go_on_the_wire(monkeypatch):
    def handler(request):
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert str(request.url) == "http://h/v1/chat/completions?version=hush"
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(completion("1")[1]).encode()))

    with_transport(monkeypatch, handler)
    assert (await asked())[0].score == 1.0


@pytest.mark.parametrize(
    ("header", "pause"), [("20", 20), ("999999999999", 30), ("soon", 1), ("-1", 1), ("²", 1)]
)
async def test_the_servers_own_pause_is_kept(monkeypatch, header, pause):
    headers = [(b"retry-after", header.encode())]
    with_transport(monkeypatch, lambda _: httpx.Response(429, headers=headers, stream=httpx.ByteStream(b"")))
    assert (await asked())[1][0] == pause


async def test_a_server_that_is_not_there_is_a_server_error(monkeypatch):
    def handler(request):
        raise httpx.ConnectError(f"cannot reach {KEY}")

    with_transport(monkeypatch, handler)
    judgement, pauses = await asked()
    assert (judgement.error, judgement.details) == (SERVER, "ConnectError: cannot reach ***")
    assert pauses == [1, 2, 4]


async def test_a_server_that_never_answers_is_a_server_error(monkeypatch):
    async def handler(request):
        await trio.sleep_forever()

    with_transport(monkeypatch, handler)
    judgement, _ = await asked(time_limit_s=0.02)
    assert (judgement.error, judgement.details) == (SERVER, "no answer within 0.02 s")


async def test_an_answer_without_end_is_cut_off(monkeypatch):
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await trio.lowlevel.checkpoint()
                yield b"x" * 65536

    with_transport(monkeypatch, lambda _: httpx.Response(200, stream=Endless()))
    judgement, _ = await asked()
    assert (judgement.error, judgement.details) == (SERVER, "the answer has more than 1000000 bytes")


async def test_a_template_that_names_nothing_is_told():
    grader = Grader("score_model", "j", settings={"input": [{"role": "user", "content": "{{item.absent}}"}]})
    judgement, _ = await asked(grader)
    assert judgement.error == "invalid_variable_error"


@pytest.mark.parametrize(
    "settings", [{"input": [7]}, {"input": 7}, {"input": [{"content": [7]}]}, {"sampling_params": 7}]
)
async def test_a_grader_of_no_use_is_told(settings):
    assert (await asked(Grader("score_model", "j", settings=settings)))[0].error == "other_error"


@pytest.mark.parametrize("url", ["", "h/v1", "ftp://h/v1", "http://", "http://h:x/v1"])
def test_a_url_that_cannot_be_used_is_refused(url):
    with pytest.raises(InputError, match="cannot be used"):
        ModelJudge(SCORE, ModelServer(url))


@pytest.mark.parametrize("key", ["a\nb", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key):
    with pytest.raises(InputError, match="cannot stand in a header") as refused:
        ModelJudge(SCORE, ModelServer("http://h/v1", key))
    assert key not in str(refused.value)


def test_a_server_is_shown_without_secrets():
    assert repr(ModelServer("http://u:hush@h/v1?key=hush", "hush")) == "<ModelServer http://h/v1>"
