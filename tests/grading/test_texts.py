"""Texts are compared as the metrics' own definitions have it: the numbers here are worked out by hand."""

import math
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from simulator.grading import texts
from simulator.grading.judgement import CannotGrade
from simulator.grading.texts import METRICS, string_check, text_similarity

COMPUTED = sorted(METRICS.keys() - {"cosine"})
CAT, MAT = "the cat sat on the mat", "the cat lay on the mat"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    monkeypatch.setattr(texts, "_wordnet", texts._NoSynonyms)


@pytest.fixture
def embedder(monkeypatch):
    texts._embedder.cache_clear()
    yield lambda package: monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    texts._embedder.cache_clear()


@pytest.mark.parametrize(
    ("operation", "input_", "reference", "score"),
    [
        ("eq", "Paris", "Paris", 1),
        ("eq", "Paris", "paris", 0),
        ("eq", "Paris ", "Paris", 0),
        ("ne", "Paris", "paris", 1),
        ("ne", "Paris", "Paris", 0),
        ("like", "It is Paris.", "Paris", 1),
        ("like", "It is Paris.", "paris", 0),
        ("like", "Paris", "It is Paris.", 0),
        ("ilike", "It is PARIS.", "paris", 1),
        ("ilike", "STRASSE", "Straße", 1),
        ("ilike", "Lyon", "paris", 0),
        ("like", "", "", 1),
    ],
)
def test_string_check(operation, input_, reference, score):
    assert string_check(operation, input_, reference) == score


SMOOTHED = (1 / 1 * 0.1 * 0.1 * 0.1) ** 0.25


@pytest.mark.parametrize(
    ("metric", "input_", "reference", "score"),
    [
        # 3 of 3 + 3 characters are in the common subsequence "ct" of "cat" and "cut": 2 x 2 / 6.
        ("fuzzy_match", "cat", "cut", 4 / 6),
        ("fuzzy_match", "Cat", "cat", 4 / 6),
        ("fuzzy_match", "", "", 1),
        ("fuzzy_match", "a", "", 0),
        # Words 5/6, pairs 3/5, triples 1/4, quadruples 0 of 3, smoothed to 0.1/3.
        ("bleu", CAT, MAT, (5 / 6 * 3 / 5 * 1 / 4 * 0.1 / 3) ** 0.25),
        ("bleu", CAT, CAT, 1),
        ("bleu", "cat", "cat", SMOOTHED),
        ("bleu", "a b c d", "a b c d e f g h", math.exp(1 - 8 / 4)),
        ("bleu", "dog", "cat", 0),
        ("bleu", "", "", 0),
        # 5 words, 3 pairs, 1 triple of 6 + 5 + 4 + 3.
        ("gleu", CAT, MAT, 9 / 18),
        ("gleu", "cat", "cat", 1),
        # 1 word of the longer text's 2 + 1.
        ("gleu", "a", "a b", 1 / 3),
        ("gleu", "", "", 0),
        # 5 of 6 words, in two runs: precision = recall = 5/6.
        ("meteor", CAT, MAT, 5 / 6 * (1 - 0.5 * (2 / 5) ** 3)),
        ("meteor", CAT, CAT.upper(), 1 - 0.5 / 6**3),
        ("meteor", "cats", "cat", 0.5),
        ("meteor", "feline", "cat", 0),
        # Precision 1, recall 1/2, so the mean is 1 x 0.5 / (0.9 x 1 + 0.1 x 0.5).
        ("meteor", "a b", "a b c d", 0.5 / 0.95 * (1 - 0.5 / 2**3)),
        ("rouge_1", CAT, MAT, 5 / 6),
        ("rouge_1", "the cat", "The CAT, sat!", 2 * (1 * 2 / 3) / (1 + 2 / 3)),
        ("rouge_1", "cats", "cat", 0),
        ("rouge_2", CAT, MAT, 3 / 5),
        ("rouge_3", CAT, MAT, 1 / 4),
        ("rouge_4", CAT, MAT, 0),
        ("rouge_5", CAT, CAT + " now", 2 * (1 * 2 / 3) / (1 + 2 / 3)),
        ("rouge_5", "a b c d", "a b c d", 0),
        ("rouge_l", CAT, MAT, 5 / 6),
        ("rouge_l", "a b c", "c b a", 1 / 3),
        ("rouge_l", "a b", "a x b y", 2 * (1 * 0.5) / 1.5),
        ("rouge_1", "東京", "東京", 0),
    ],
)
def test_text_similarity(metric, input_, reference, score):
    assert text_similarity(metric, input_, reference) == pytest.approx(score, abs=1e-12)


def test_words_are_those_of_word_tokenize():
    assert texts._tokens("He can't pay $3.5,\n(or 1,000)  now. Yes.") == [
        *("He", "ca", "n't", "pay", "$", "3.5", ",", "(", "or", "1,000", ")", "now", ".", "Yes", "."),
    ]


def test_synonyms_count_where_wordnet_is_there(monkeypatch):
    named = SimpleNamespace(name=lambda: "cat")
    wordnet = SimpleNamespace(synsets=lambda _: [SimpleNamespace(lemmas=lambda: [named])])
    monkeypatch.setattr(texts, "_wordnet", lambda: wordnet)
    assert text_similarity("meteor", "feline", "cat") == 0.5


@pytest.mark.parametrize("compare", [string_check, text_similarity])
def test_unknown_ways_to_compare(compare):
    with pytest.raises(CannotGrade, match=r"other_error: there is no (operation|metric) 'x'"):
        compare("x", "a", "a")


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_texts_that_are_too_long(metric):
    with pytest.raises(CannotGrade, match="a text has 20,001 characters, and at most 20,000 are compared"):
        text_similarity(metric, "a", "a" * 20_001)


@pytest.mark.parametrize("metric", COMPUTED)
@pytest.mark.parametrize(
    "pair", [("ab" * 10_000, "ba" * 10_000), ("a " * 10_000, "a b " * 5000), (". " * 10_000, "'")]
)
def test_texts_that_are_just_not_too_long(metric, pair):
    assert 0 <= text_similarity(metric, *pair) <= 1


def test_cosine_without_the_package(embedder):
    embedder(None)
    with pytest.raises(CannotGrade, match="install `sentence-transformers`, or choose another metric"):
        text_similarity("cosine", "a", "a")


def test_cosine_without_the_model(embedder):
    embedder(SimpleNamespace())
    with pytest.raises(CannotGrade, match="cosine wants the model sentence-transformers/all-MiniLM-L6-v2 on"):
        text_similarity("cosine", "a", "a")


@pytest.mark.parametrize(("other", "score"), [((1.0, 0.0), 1), ((0.6, 0.8), 0.6), ((-1.0, 0.0), 0)])
def test_cosine(embedder, other, score):
    asked = []

    class Model:
        def __init__(self, name, local_files_only):
            assert (name, local_files_only) == (texts.EMBEDDINGS, True)

        def encode(self, both, normalize_embeddings):
            asked.append((both, normalize_embeddings))
            return [(1.0, 0.0), other]

    embedder(SimpleNamespace(SentenceTransformer=Model))
    assert text_similarity("cosine", "a", "b") == score
    assert asked == [(["a", "b"], True)]


def test_a_library_that_fails(monkeypatch):
    monkeypatch.setitem(METRICS, "bleu", lambda *_: 1 / 0)
    with pytest.raises(CannotGrade, match="bleu failed: ZeroDivisionError"):
        text_similarity("bleu", "a", "a")


WORDS = ["the", "cat", "sat", "cats", "mat", ".", "can't", "3.5"]
TEXTS = st.one_of(
    st.text(st.characters(), max_size=30),
    st.text(st.sampled_from("ab .'\"\x00\ud800ü"), max_size=30),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
)


@settings(max_examples=60)
@given(TEXTS, TEXTS)
def test_any_two_texts_have_a_score(input_, reference):
    for metric in COMPUTED:
        assert 0 <= text_similarity(metric, input_, reference) <= 1


@settings(max_examples=60)
@given(st.lists(st.sampled_from(WORDS[:-2]), max_size=12).map(" ".join))
def test_equal_texts(text):
    assert text_similarity("fuzzy_match", text, text) == 1
    assert text_similarity("gleu", text, text) == bool(text)
    words = len(text.replace(".", "").split())
    assert text_similarity("rouge_l", text, text) == bool(words)
    for length in range(1, 6):
        assert text_similarity(f"rouge_{length}", text, text) == (words >= length)


@settings(max_examples=60)
@given(TEXTS, TEXTS)
def test_rouge_l_is_what_rouge_score_computes(input_, reference):
    expected = RougeScorer(["rougeL"]).score(reference, input_)["rougeL"].fmeasure
    assert text_similarity("rouge_l", input_, reference) == pytest.approx(expected, abs=1e-12)
