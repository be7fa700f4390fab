"""The policy labs on paper: right answers pass, wrong ones fail where and why they state, with the cause they name."""

import pytest

from checker import diagnose
from checker.course import Course
from tests.unit import paper

LABS = [lab for lab in Course().labs() if lab.needs.policy]
ANSWERS = [(lab, answer) for lab in LABS for answer in lab.answers()]


def concerns_policies(answer):
    return answer.expectation is None or answer.expectation.check != "check_the_scenario"


@pytest.mark.parametrize(("lab", "answer"), ANSWERS, ids=lambda each: getattr(each, "stem", None) or str(each))
def test_answer_does_on_paper_what_it_states(lab, answer):
    if not concerns_policies(answer):
        pytest.skip("it changes what is no policy")
    made = paper.PaperLab(lab, answer)
    failure = paper.run(made, paper.checks(lab))
    if answer.right:
        assert failure is None
        return
    assert failure is not None
    cause = diagnose.explain(made.snapshot(), failure.subjects)
    assert cause is not None
    if wanted := answer.expectation:
        assert wanted.fits(str(failure)), str(failure)
        assert (failure.check, cause.id) == (wanted.check, wanted.hint), cause.why
        assert lab.hints.knows(wanted.check, wanted.hint)
