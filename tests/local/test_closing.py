import shlex
import subprocess
from pathlib import Path

from recommender.local.closing import closing_text, recommended

ANSWER = {
    "recommendation_id": "0199c2a0-7b1e-8abc-8000-0000004aaaaa",
    "recommendations": [
        {
            "movie_id": 50,
            "title": "Alien",
            "year": 1979,
            "score": 0.5,
            "because": [{"movie_id": 1, "title": "Blade Runner", "share": 0.2}],
            "because_rest": 0.05,
            "prior": 0.25,
        },
        {
            "movie_id": 51,
            "title": "Up",
            "year": 2009,
            "score": 0.1,
            "because": [],
            "because_rest": 0,
            "prior": 0.1,
        },
    ],
}


def test_a_recommendation_shows_how_its_score_comes_about() -> None:
    assert recommended(ANSWER).splitlines()[1:] == [
        "  0.500  Alien (1979)",
        "         because you liked Blade Runner (40%); popular (50%); the rest of the history (10%)",
        "  0.100  Up (2009)",
        "         popular (100%)",
    ]


def test_every_command_is_whole_for_a_shell_and_shows_no_password(tmp_path: Path) -> None:
    password = tmp_path / "it's secret"
    text = closing_text("http://127.0.0.1:8000", {"Data": "/x"}, password, ANSWER)
    commands = [line for line in text.splitlines() if line.startswith(("TOKEN=", "curl "))]
    assert len(commands) == 7
    subprocess.run(["bash", "-n"], input="\n".join(commands), text=True, check=True)
    assert f"password@{password}" in shlex.split(commands[0].removeprefix("TOKEN=$("))


def test_the_token_is_cut_out_of_the_answer(tmp_path: Path) -> None:
    text = closing_text("http://127.0.0.1:8000", {}, tmp_path, ANSWER)
    cut = next(line for line in text.splitlines() if line.startswith("TOKEN=")).partition(" | ")[2][:-1]
    answer = '{"access_token":"a.b-c_d.e","token_type":"bearer","expires_in":3600}'
    done = subprocess.run(["bash", "-c", cut], input=answer, capture_output=True, text=True, check=True)
    assert done.stdout == "a.b-c_d.e"
