"""Write the scenario's datasets: `python -m scenarios.finqa.build`."""

from pathlib import Path

import msgspec

from endpoints_mock.domains.finqa.questions import Question, row, train_and_valid

HERE = Path(__file__).parent


def datasets() -> dict[str, bytes]:
    """Return the contents of each dataset, by file name."""
    train, valid = train_and_valid()
    return {"train.jsonl": _lines(train), "valid.jsonl": _lines(valid)}


def _lines(questions: list[Question]) -> bytes:
    return b"".join(msgspec.json.encode(row(question)) + b"\n" for question in questions)


if __name__ == "__main__":
    for name, content in datasets().items():
        (HERE / name).write_bytes(content)
