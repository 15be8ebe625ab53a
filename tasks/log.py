"""A filter for Prefect's log."""

import logging

REPORTS_OF_STATES = (
    "Task run failed with state",
    "Finished in state",
    "Running hook '",
    "Hook '",
)


def quiet_states() -> None:
    """Removes Prefect's own reports of the end of a task or flow, from the console and from the run's page.

    The state contains the message, and `retrain.main` prints it at the end. Without this filter, Prefect would also
    print it three times after a failure: on one line with escapes, and with an empty traceback.
    """
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(REPORTS_OF_STATES)
