"""The policy labs on paper: right answers pass, wrong ones fail where and why they state, with the cause they name."""

import pytest

from checker import diagnose, tables
from checker.behaviour import Behaviour
from checker.course import Course
from checker.hint_fields import names
from checker.mutants import mutants
from tests.unit import paper

LABS = [lab for lab in Course().labs() if lab.needs.policy]


def concerns_policies(answer):
    """Tell whether the model can play it: one that changes the scenario fails before any packet is sent."""
    return answer.expectation is None or answer.expectation.check != "check_the_scenario"


ANSWERS = [(lab, answer) for lab in LABS for answer in lab.answers() if concerns_policies(answer)]


@pytest.mark.parametrize(("lab", "answer"), ANSWERS, ids=lambda each: getattr(each, "stem", None) or str(each))
def test_answer_does_on_paper_what_it_states(lab, answer):
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


def solved(lab, policies=None):
    """Return a lab with its solution on paper, or with other policies beside those of the scenario."""
    made = paper.PaperLab(lab, lab.solution)
    if policies is not None:
        made.policies = [each for each in made.policies if key(each) in made.snapshot().guarded]
        made.policies += [paper.defaulted(each) for each in policies]
    return made


def key(policy):
    return policy["metadata"]["namespace"], policy["metadata"]["name"]


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.stem)
def test_checks_tell_every_mutant_that_behaves_otherwise_and_no_other(lab):
    """Of the killed, every tenth is diagnosed as well: its hint must be about what was mutated."""
    made, functions = solved(lab), paper.checks(lab)
    behaviour = Behaviour(made.snapshot(), tables.load(lab.check_file))
    right = behaviour.of(made.policies)
    mine = [each for each in made.policies if key(each) not in made.snapshot().guarded]
    killed = 0
    for mutant in mutants(mine, behaviour.surroundings):
        other = solved(lab, mutant.objects)
        failure = paper.run(other, functions)
        assert (failure is not None) == (behaviour.of(other.policies) != right), f"{mutant}: {failure}"
        killed += failure is not None
        if failure and killed % 10 == 1:
            cause = diagnose.explain(other.snapshot(), failure.subjects)
            assert cause is not None
            assert names(mutant.field, cause.id), f"{mutant}: {cause}"
    assert killed > 10
