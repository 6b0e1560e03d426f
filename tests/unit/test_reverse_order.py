"""In which order work is taken back, whatever was done beside what."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from euryale.sagas.reverse_order import Span, reversed_layers


@st.composite
def spans(draw: st.DrawFn) -> list[Span[int]]:
    count = draw(st.integers(0, 8))
    moments = draw(st.permutations(range(2 * count)))
    pairs = [sorted(moments[2 * number : 2 * number + 2]) for number in range(count)]
    return [Span(begun, ended, number) for number, (begun, ended) in enumerate(pairs)]


@given(spans())
def test_everything_is_taken_back_once_and_nothing_before_what_builds_on_it(
    given_spans: list[Span[int]],
) -> None:
    layers = reversed_layers(given_spans)
    layer_of = {work: number for number, layer in enumerate(layers) for work in layer}
    assert sorted(work for layer in layers for work in layer) == sorted(layer_of)
    assert len(layer_of) == len(given_spans)
    for one in given_spans:
        for other in given_spans:
            if other.begun > one.ended:
                assert layer_of[other.work] < layer_of[one.work]


@given(spans())
def test_nothing_waits_for_what_does_not_build_on_it(given_spans: list[Span[int]]) -> None:
    layers = reversed_layers(given_spans)
    by_work = {span.work: span for span in given_spans}
    for before, layer in pairwise(layers):
        # Each waited for somebody in the layer before.
        for work in layer:
            assert any(by_work[other].begun > by_work[work].ended for other in before)


def test_what_overlaps_in_a_chain_goes_back_as_far_as_each_one_may() -> None:
    chain = [Span(1, 4, "a"), Span(3, 6, "b"), Span(5, 8, "c")]
    assert reversed_layers(chain) == [["c", "b"], ["a"]]
