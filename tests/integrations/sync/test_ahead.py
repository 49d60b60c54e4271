"""Which pages are asked for before it is their turn."""

from __future__ import annotations

import asyncio

import pytest

from integrations.sync.ahead import FARTHEST, MOST, Ahead


class Answers:
    """Questions about pages by their number, answered once the test lets them."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.answered: list[int] = []
        self.may_be_answered = asyncio.Event()

    async def read(self, number: int) -> str:
        self.asked.append(number)
        await self.may_be_answered.wait()
        if number == 13:
            raise LookupError(number)
        self.answered.append(number)
        return f"page {number}"


@pytest.fixture
async def answers() -> Answers:
    return Answers()


async def start_all() -> None:
    """Let every task that was made begin."""
    await asyncio.sleep(0)


CASES = {
    "the next one where nothing is known of the listing": (0, 1, [2]),
    "as many as are under way at once": (50_000, 1, [2, 3, 4, 5]),
    "no page that the listing filled only just": (400, 1, [2, 3]),
    "none that are not full": (499, 1, [2, 3]),
    "the next one beyond what the listing held": (400, 7, [8]),
}


@pytest.mark.parametrize("case", CASES)
async def test_pages_are_asked_for(answers: Answers, case: str) -> None:
    rows, number, wanted = CASES[case]
    ahead = Ahead[str](rows, MOST)
    async with ahead.at_work():
        ahead.go_on(number, 100, answers.read)
        await start_all()
        assert answers.asked == wanted
        answers.may_be_answered.set()
        assert await ahead.page(number + 1, answers.read) == f"page {number + 1}"
    assert answers.asked[: len(wanted)] == wanted


TOOK = {
    "an answer that is there before the next may leave": (0.2, 1),
    "one that is not": (0.6, 2),
    "a slow one": (1.2, 4),
    "one that hardly came at all": (29.0, MOST),
}


@pytest.mark.parametrize("answer", TOOK)
async def test_no_more_pages_are_under_way_than_answers_take(answers: Answers, answer: str) -> None:
    seconds, at_once = TOOK[answer]
    ahead = Ahead[str](50_000)
    async with ahead.at_work():
        ahead.took(seconds, 0.35)
        ahead.go_on(1, 100, answers.read)
        await start_all()
        assert len(answers.asked) == at_once
        answers.may_be_answered.set()


async def test_one_late_answer_among_many_is_no_reason_to_ask_for_more_at_once() -> None:
    ahead = Ahead[str]()
    for _ in range(10):
        ahead.took(0.2, 0.35)
    ahead.took(0.9, 0.35)
    assert ahead.at_once == 1
    for _ in range(10):
        ahead.took(0.9, 0.35)
    assert ahead.at_once == 3


async def test_nothing_is_asked_for_before_it_is_at_work(answers: Answers) -> None:
    ahead = Ahead[str](50_000, MOST)
    ahead.go_on(1, 100, answers.read)
    await start_all()
    assert answers.asked == []
    answers.may_be_answered.set()
    assert await ahead.page(2, answers.read) == "page 2"


async def test_each_page_is_asked_for_once(answers: Answers) -> None:
    ahead = Ahead[str](1_000, MOST)
    answers.may_be_answered.set()
    async with ahead.at_work():
        for number in range(1, 10):
            assert await ahead.page(number, answers.read) == f"page {number}"
            ahead.go_on(number, 100, answers.read)
    assert answers.asked == list(range(1, 11))


async def test_a_late_answer_holds_up_no_page_behind_it(answers: Answers) -> None:
    ahead, late = Ahead[str](50_000, MOST), asyncio.Event()

    async def read(number: int) -> str:
        if number == 2:
            await late.wait()
        return await answers.read(number)

    answers.may_be_answered.set()
    async with ahead.at_work():
        ahead.go_on(1, 100, read)
        async with asyncio.timeout(20):
            while len(answers.asked) < FARTHEST - 1:
                await start_all()
        assert sorted(answers.asked) == list(range(3, FARTHEST + 2))
        late.set()
        assert await ahead.page(2, read) == "page 2"


async def test_after_its_work_nothing_is_under_way(answers: Answers) -> None:
    ahead = Ahead[str](1_500, MOST)
    async with ahead.at_work():
        ahead.go_on(10, 100, answers.read)
        await start_all()
        answers.may_be_answered.set()
    assert answers.answered == [11, 12, 14], "and that page 13 could not be had is nobody's matter"


async def test_what_was_asked_of_one_listing_is_forgotten_with_it(answers: Answers) -> None:
    ahead = Ahead[str](500, MOST)
    answers.may_be_answered.set()
    async with ahead.at_work():
        ahead.go_on(1, 100, answers.read)
        await ahead.settle()
        ahead.go_on(1, 100, answers.read)
        await ahead.settle()
    assert answers.asked == [2, 3, 4] * 2


async def test_the_trouble_with_a_page_is_told_when_it_is_its_turn(answers: Answers) -> None:
    ahead = Ahead[str](50_000, MOST)
    answers.may_be_answered.set()
    async with ahead.at_work():
        ahead.go_on(11, 100, answers.read)
        assert await ahead.page(12, answers.read) == "page 12"
        with pytest.raises(LookupError):
            await ahead.page(13, answers.read)


async def test_who_is_cancelled_waits_for_no_answer(answers: Answers) -> None:
    ahead = Ahead[str](50_000, MOST)

    async def work() -> None:
        async with ahead.at_work():
            ahead.go_on(1, 100, answers.read)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await start_all()
    await start_all()
    assert len(answers.asked) == MOST
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert answers.answered == []
