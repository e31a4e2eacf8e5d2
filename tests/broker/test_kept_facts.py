"""What the broker still keeps of past decisions, for replaying a draft agreement."""

from broker.main import kept_facts
from broker.testing import POLICE
from broker.testing_story import Story
from policies.replay import read_facts


def test_the_facts_of_every_ask_are_kept_in_the_form_that_replay_reads(story: Story) -> None:
    request, _ = story.send_request()

    kept = read_facts(kept_facts(story.world.settings))

    assert set(kept) == {(request.message.request, POLICE)}
    (facts,) = kept.values()
    assert facts.case.purpose == request.message.purpose
    assert facts.subjects == {s.ref: s.role for s in request.message.subjects}
