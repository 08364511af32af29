"""What moves a lab is done by one thread, one thing after the other, and whoever waits is answered."""

import threading

import pytest

from sdn_lab.lab.options import silent
from sdn_lab.model.diagnostic import LabError
from sdn_lab.resident.jobs import Jobs


class Enough(BaseException):
    pass


def enough():
    raise Enough


@pytest.fixture
def jobs():
    """Jobs whose worker is a thread; ended by a job that raises Enough."""
    jobs = Jobs()

    def work():
        try:
            jobs.work(0.01, lambda: None)
        except Enough:
            jobs.close()

    worker = threading.Thread(target=work, name="worker")
    worker.start()
    yield jobs
    if worker.is_alive():
        with pytest.raises(LabError):
            jobs.do("end", enough, silent)
    worker.join(10)


def test_jobs_are_done_by_the_worker_and_never_overlap(jobs):
    running, most, by = 0, 0, set()

    def job():
        nonlocal running, most
        running += 1
        most = max(most, running)
        by.add(threading.current_thread().name)
        running -= 1

    askers = [threading.Thread(target=jobs.do, args=("job", job, silent)) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(10)
    assert (most, by) == (1, {"worker"})


def test_a_result_and_an_error_go_to_the_one_who_asked(jobs):
    assert jobs.do("sum", lambda: 1 + 1, silent) == 2
    with pytest.raises(ZeroDivisionError):
        jobs.do("division", lambda: 1 // 0, silent)
    assert jobs.do("sum", lambda: 1 + 1, silent) == 2


def test_progress_is_told_to_the_one_whose_job_it_is(jobs):
    told = []
    jobs.do("job", lambda: jobs.progress("probes", 1, 2), lambda *step: told.append(step))
    jobs.progress("probes", 2, 2)
    assert told == [("probes", 1, 2)]


def test_what_is_being_done_has_a_name_and_idling_has_none(jobs):
    assert jobs.do("check", lambda: jobs.busy, silent) == "check"
    jobs.do("nothing", lambda: None, silent)
    assert jobs.busy in {"", "nothing"}


def test_when_the_lab_ends_its_asker_and_those_who_come_later_hear_it(jobs):
    with pytest.raises(LabError, match="taken down during check"):
        jobs.do("check", enough, silent)
    with pytest.raises(LabError, match="taken down"):
        jobs.do("check", lambda: None, silent)
