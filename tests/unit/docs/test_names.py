"""What a page names is there: files, tests, links, pictures."""

import re

import pytest
from pages import PAGES, REPOSITORY, links, name_of, spans

TOP = {path.name for path in REPOSITORY.iterdir()}
FILES = [
    str(path.relative_to(REPOSITORY))
    for folder in ("inferwatch", "producers", "pipeline", "consumers", "tests", "benchmarks")
    for path in (REPOSITORY / folder).rglob("*.*")
]
NAME = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?(::\w+)?")
ENDINGS = (".py", ".js", ".md", ".toml", ".yml")
# Named as what the demo, a user or a tool makes.
MADE = ("out/", "watch.yaml", ".venv", "docs/decisions/NNNN")
PICTURE_BYTES = 400 * 1024


def named(page):
    """The names of files and folders, and of tests in them, between backticks."""
    for span in spans(page):
        if not NAME.fullmatch(span) or span.startswith(MADE):
            continue
        path = span.partition("::")[0]
        if path.split("/")[0] in TOP or path.endswith(ENDINGS):
            yield span


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_and_tests_exist(page):
    for name in named(page):
        path, _, test = name.partition("::")
        if path.split("/")[0] in TOP:
            found = [path] if (REPOSITORY / path).exists() else []
        else:
            # Shortened, beside another name of its folder.
            found = [file for file in FILES if file.endswith(f"/{path}")]
        assert found, f"{name_of(page)}: {name} is not there"
        if test:
            text = (REPOSITORY / found[0]).read_text()
            assert re.search(rf"def {test}\(", text), f"{name_of(page)}: no test {name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in links(page):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link.partition("#")[0]).exists(), f"{name_of(page)}: {link}"


def test_pictures_are_small():
    pictures = sorted((REPOSITORY / "docs" / "images").iterdir())
    assert pictures
    assert [p.name for p in pictures if p.stat().st_size > PICTURE_BYTES] == []


def test_the_newcomers_path_is_five_files_that_exist():
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    path = re.findall(r"^\d\. `([^`]+)`", text.partition("## A newcomer's path")[2], re.MULTILINE)
    assert len(path) == 5
    assert [file for file in path if not (REPOSITORY / file).is_file()] == []


def test_the_architecture_fits_a_sitting():
    assert (REPOSITORY / "ARCHITECTURE.md").read_text().count("\n") <= 200


def test_each_decision_has_a_number_of_its_own_a_question_and_a_choice():
    pages = sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))
    numbers = [re.fullmatch(r"(\d{4})-[a-z0-9-]+\.md", page.name)[1] for page in pages]
    assert len(set(numbers)) == len(numbers)
    for page in pages:
        text = page.read_text()
        assert text.startswith("# "), page.name
        assert "**Question.**" in text and "**Choice.**" in text, page.name
