"""How alike two texts are, by the names that `string_check` and `text_similarity` graders use.

OpenAI's grader guide names each metric, and for one of them the library; the rest is assumed here: that the
libraries are those it offers to Python graders (rapidfuzz, nltk, rouge-score), with what they do unless told
otherwise. So a score may differ from the platform's in its second digit, and short texts differ most.
"""

import importlib
import re
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache, partial
from typing import Any

from simulator.grading.judgement import CannotGrade

LONGEST = 20_000
"""Characters of a text that is compared; a longer one is refused, since a part has another score."""

EMBEDDINGS = "sentence-transformers/all-MiniLM-L6-v2"
"""What `cosine` embeds with. The platform takes `text-embedding-3-large`, and that for evals only."""

_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?]) ")

# The libraries take up to a second to import, and most runs need none of them: hence the imports inside.


def string_check(operation: str, input: str, reference: str) -> float:  # noqa: A002 the setting's own name
    """Return 1.0 where the input is as the operation wants it, else 0.0.

    `eq` and `ne` compare; `like` looks for the reference in the input, `ilike` does whatever the case.

    Raises CannotGrade (other_error) for any other operation.
    """
    if operation not in OPERATIONS:
        raise CannotGrade("other_error", f"there is no operation {operation[:60]!a}")
    return float(OPERATIONS[operation](input, reference))


def text_similarity(metric: str, input: str, reference: str) -> float:  # noqa: A002 the setting's own name
    """Return from 0.0 to 1.0 how alike the texts are.

    Raises CannotGrade (other_error) for an unknown metric, for a text of more than 20,000 characters, where
    `cosine` has no model to embed with, and where a library fails.
    """
    if metric not in METRICS:
        raise CannotGrade("other_error", f"there is no metric {metric[:60]!a}")
    if (length := max(len(input), len(reference))) > LONGEST:
        raise CannotGrade(
            "other_error", f"a text has {length:,} characters, and at most {LONGEST:,} are compared"
        )
    try:
        score = float(METRICS[metric](input, reference))
    except CannotGrade:
        raise
    except Exception as error:  # whatever others' code makes of a text that nobody thought of
        raise CannotGrade("other_error", f"{metric} failed: {type(error).__name__}") from error
    return min(1.0, max(0.0, score))


def _fuzzy_match(input_: str, reference: str) -> float:
    """Rapidfuzz's `ratio`: 1 - insertions and deletions / characters of both, mindful of case.

    The guide says no more than "using rapidfuzz". `WRatio`, as in its example of a Python grader, is the
    other candidate: it forgives case and what stands around an answer, and takes minutes on long texts.
    """
    from rapidfuzz import fuzz  # noqa: PLC0415

    return fuzz.ratio(input_, reference) / 100


def _bleu(input_: str, reference: str) -> float:
    """Sentence-level BLEU of 1 to 4 words; a length of which none matches counts as a tenth of one."""
    from nltk.translate import bleu_score  # noqa: PLC0415

    smooth = bleu_score.SmoothingFunction().method1
    return float(bleu_score.sentence_bleu([_tokens(reference)], _tokens(input_), smoothing_function=smooth))


def _gleu(input_: str, reference: str) -> float:
    """Google's BLEU: runs of 1 to 4 words that both have, of those of the longer text."""
    from nltk.translate.gleu_score import sentence_gleu  # noqa: PLC0415

    return float(sentence_gleu([_tokens(reference)], _tokens(input_)))


def _meteor(input_: str, reference: str) -> float:
    """METEOR: words matched in any case, by stems, and by synonyms where WordNet's corpus is installed.

    One run of `n` equal words has 1 - 0.5 / n^3, and so even equal texts stay below 1.
    """
    from nltk.translate.meteor_score import single_meteor_score  # noqa: PLC0415

    return float(single_meteor_score(_tokens(reference), _tokens(input_), wordnet=_wordnet()))


def _cosine(input_: str, reference: str) -> float:
    """Cosine of the texts' embeddings, 0 where they point apart; nothing is ever downloaded for it."""
    one, other = _embedder().encode([input_, reference], normalize_embeddings=True)
    return float(sum(a * b for a, b in zip(one, other, strict=True)))


def _rouge_n(input_: str, reference: str, length: int) -> float:
    """ROUGE-n: the F-measure of runs of `length` words, without stemming, which is rouge-score's default.

    Its words are of `a-z0-9` in any case; 0 where a text has fewer of them than `length`.
    """
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415

    name = f"rouge{length}"
    return float(RougeScorer([name]).score(reference, input_)[name].fmeasure)


def _rouge_l(input_: str, reference: str) -> float:
    """ROUGE-L: the F-measure of the longest common subsequence of words, without stemming.

    As rouge-score has it, whose own table of all pairs of words takes seconds and a gigabyte here.
    """
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415
    from rouge_score.tokenize import tokenize  # noqa: PLC0415

    one: Sequence[Hashable] = tokenize(input_, None)
    other: Sequence[Hashable] = tokenize(reference, None)
    return 2 * LCSseq.similarity(one, other) / max(1, len(one) + len(other))


OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda input_, reference: input_ == reference,
    "ilike": lambda input_, reference: reference.casefold() in input_.casefold(),
    "like": lambda input_, reference: reference in input_,
    "ne": lambda input_, reference: input_ != reference,
}

METRICS: dict[str, Callable[[str, str], float]] = {
    "bleu": _bleu,
    "cosine": _cosine,
    "fuzzy_match": _fuzzy_match,
    "gleu": _gleu,
    "meteor": _meteor,
    **{f"rouge_{length}": partial(_rouge_n, length=length) for length in range(1, 6)},
    "rouge_l": _rouge_l,
}


def _tokens(text: str) -> list[str]:
    """Return words and punctuation as `nltk.word_tokenize` does, but for what its sentence model knows."""
    from nltk.tokenize import NLTKWordTokenizer  # noqa: PLC0415

    tokenizer, plain = NLTKWordTokenizer(), " ".join(text.split())  # long runs of blanks take it long
    return [token for sentence in _BETWEEN_SENTENCES.split(plain) for token in tokenizer.tokenize(sentence)]


class _NoSynonyms:
    """Stands in for WordNet where its corpus is not installed."""

    def synsets(self, _: str) -> tuple[()]:
        return ()


@lru_cache(maxsize=1)
def _wordnet() -> Any:
    from nltk.corpus import wordnet  # noqa: PLC0415

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return _NoSynonyms()
    return wordnet


@lru_cache(maxsize=1)
def _embedder() -> Any:
    try:
        package = importlib.import_module("sentence_transformers")
    except ImportError:
        message = "cosine wants embeddings: install `sentence-transformers`, or choose another metric"
        raise CannotGrade("other_error", message) from None
    try:
        return package.SentenceTransformer(EMBEDDINGS, local_files_only=True)
    except Exception as error:
        message = f"cosine wants the model {EMBEDDINGS} on this machine, or choose another metric"
        raise CannotGrade("other_error", message) from error
