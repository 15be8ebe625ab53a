"""What Prefect's log leaves out."""

import logging

REPORTS_OF_FAILURE = (
    "Task run failed with state",
    "Finished in state Failed",
    "Running hook 'tell_of_failure'",
    "Hook 'tell_of_failure' finished",
)


def quiet_failures() -> None:
    """Leaves out Prefect's own reports of a returned failed state, here and on the run's page.

    The stage's lines have said what failed, the state carries the message, and `retrain.main` prints it at the end;
    Prefect would repeat it three times, escaped on one line, with an empty traceback.
    """
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(REPORTS_OF_FAILURE)
