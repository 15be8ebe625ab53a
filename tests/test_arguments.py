"""Values of the command line that no command can use end in one line of argparse."""

import pytest

from transferline.cli.main import parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("serve --port 99999", "99999 is not a port from 0 to 65535"),
        ("ui --mlflow-port 70000", "70000 is not a port from 0 to 65535"),
        ("ui --prefect-port -1", "-1 is not a port from 0 to 65535"),
        ("schedule --prefect-port 70000", "70000 is not a port from 0 to 65535"),
        ("serve --max-body nan", "nan is not a number above 0"),
        ("serve --max-body inf", "inf is not a number above 0"),
        ("serve --max-body -1", "-1 is not a number above 0"),
        ("tune --minutes 0", "0 is not a number above 0"),
        ("describe --classes 0", "0 is less than 1"),
        ("promote --force --reason caf\udce9", r"'caf\udce9' is not text in UTF-8"),
        ("rollback --reason caf\udce9", r"'caf\udce9' is not text in UTF-8"),
        ("data relabel waste 7.jpg metal --reason caf\udce9", r"'caf\udce9' is not text in UTF-8"),
        ("data exclude waste 7.jpg --reason caf\udce9", r"'caf\udce9' is not text in UTF-8"),
    ],
)
def test_a_value_that_no_command_can_use_is_refused(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(words.split())
    assert end.value.code == 2 and message in capsys.readouterr().err
