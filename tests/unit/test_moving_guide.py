"""A test backs each row of the moving guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_FUNCTIONS = "acceptance/projects/test_moved_functions.py"
_OUTCOMES = "acceptance/projects/test_moved_outcomes.py"
_TYPED = "acceptance/projects/test_typed_parameters.py"
_FORMAT = "acceptance/projects/test_other_format.py"
_EFFECTS = "acceptance/runs/test_module_effects.py"
_RETURNS = f"{_FUNCTIONS}::test_what_a_function_returned_there_it_returns_here"
_RAISES = f"{_OUTCOMES}::test_whatever_an_author_raises_fails_the_run_by_its_name"
_STORES = f"{_OUTCOMES}::test_stores_attributes_and_messages_take_what_they_took"

HELD_BY = {
    "names under `api/`: nested, dashes": [f"{_RETURNS}[2fa/3d-view]", f"{_RETURNS}[über/größe]"],
    "`api/x.py` beside `api/x/y.py`": [
        f"{_FORMAT}::test_a_file_beside_a_folder_of_its_name",
        f"{_RETURNS}[dot.ted]",
    ],
    "imports from the project's root": [f"{_RETURNS}[imports]", f"{_RETURNS}[shop/sibling]"],
    "files read by their path": [f"{_RETURNS}[shop/files]"],
    "what a module does when it is imported": [
        f"{_EFFECTS}::test_what_one_api_does_on_import_another_does_not_see",
        f"{_EFFECTS}::test_what_a_module_prints_on_import_is_in_the_log_of_the_run",
    ],
    "`requires-python` that is not there": [
        "acceptance/projects/test_requirement_layouts.py::test_a_project_of_the_other_format_that_says_no_python_gets_that_formats"
    ],
    "`automation(page)`": [f"{_EFFECTS}::test_a_function_that_takes_the_page_alone_gets_it_alone"],
    "child processes in Python": [f"{_EFFECTS}::test_children_import_what_the_author_imports"],
    "`page.context.tracing`": [f"{_EFFECTS}::test_a_trace_of_the_authors_own_replaces_ours"],
    "`.env`": [
        "unit/test_project_files.py::test_secrets_are_never_deployed_and_caches_only_if_they_are_taken_back"
    ],
    "what a module holds": [f"{_FUNCTIONS}::test_what_a_module_holds_is_gone_after_the_run"],
    "`Intuned.jsonc`, `Intuned.json`": [
        f"{_RETURNS}[nothing]",
        "unit/test_project_folder.py::test_jsonc_with_comments_and_trailing_commas",
    ],
    "`dependencies` and `requires-python`": [
        "acceptance/projects/test_environments.py::test_another_playwright_than_ours_works",
        "acceptance/projects/test_environments.py::test_a_missing_interpreter_is_a_clear_error",
    ],
    "`intuned-runtime` among them": [f"{_FORMAT}::test_the_browser_package_of_that_format_works"],
    "a file that cannot be imported": [
        "acceptance/runs/test_attempts.py::test_a_project_that_cannot_be_says_why"
    ],
    "`replication.maxConcurrentRequests`": [
        "unit/test_project_folder.py::test_the_older_name_of_the_concurrency_setting"
    ],
    "`replication.size`, `region`": [f"{_FORMAT}::test_settings_without_effect_are_told_at_deploy"],
    "`automation(page, params)`": [f"{_RETURNS}[any-positional]", f"{_RETURNS}[named-otherwise]"],
    "parameters annotated with a model": [
        f"{_TYPED}::test_in_the_other_format_any_object_arrives_as_the_plain_dict"
    ],
    "an annotation that cannot be resolved": [f"{_RETURNS}[unresolved]"],
    "a decorated function": [
        f"{_RETURNS}[decorated]",
        f"{_RETURNS}[method]",
        f"{_RETURNS}[from-elsewhere]",
    ],
    "`create` or `check` in a file under `api/`": [f"{_RETURNS}[create-alone]"],
    "`deferred_browser`": [f"{_FORMAT}::test_a_deferred_browser"],
    "results: what `json.dumps` writes": [f"{_RETURNS}[values]"],
    "results: dates, times": ["unit/test_results.py::test_what_is_nearly_json_becomes_json"],
    "results: sets, bytes": [
        "unit/test_results.py::test_what_json_cannot_represent_is_named_with_what_to_write_instead",
        "unit/test_results.py::test_who_forgets_to_await_is_told_so",
    ],
    "results: NaN and infinities": ["unit/test_results.py::test_no_number_is_no_output"],
    "results of more than 2 MiB": [
        "acceptance/runs/test_attempts.py::test_two_mebibytes_are_the_most"
    ],
    "whatever is raised": [f"{_RAISES}[of-base]", f"{_RAISES}[exit]", f"{_RAISES}[cancelled]"],
    "what a handler raises": [f"{_OUTCOMES}::test_what_a_handler_raises_takes_nothing_away"],
    "`NonRetryableError`": [
        f"{_RAISES}[final]",
        "acceptance/runs/test_attempts.py::test_an_error_that_is_final_is_not_retried",
    ],
    "threads, tasks, processes": [
        f"{_OUTCOMES}::test_what_runs_beside_a_function_takes_nothing_away"
    ],
    "page, context or browser closed": [
        "acceptance/runs/test_outcomes.py::test_what_the_author_closes_takes_nothing_away"
    ],
    "`extend_payload`": [
        f"{_OUTCOMES}::test_payloads_are_what_they_were_when_they_were_given",
        f"{_RAISES}[payload]",
    ],
    "`attempt_store`, `persistent_store`": [_STORES],
    "`runtime_helpers`": [f"{_FORMAT}::test_the_older_import_name_is_the_same"],
    "captcha names": [f"{_FORMAT}::test_every_name_works_as_its_author_expects"],
    "`get_ai_gateway_config`": ["models/test_clients.py::test_the_helpers_of_the_other_format"],
    "`intuned_browser` 0.1.18": [f"{_FORMAT}::test_the_browser_package_of_that_format_works"],
    "files uploaded without bucket": [f"{_FORMAT}::test_the_browser_package_of_that_format_works"],
    "full Chromium in a window": [
        f"{_FORMAT}::test_full_chromium_is_the_browser_unless_another_is_chosen"
    ],
    "no context calls itself": [
        "integration/runners/test_browsers.py::test_nothing_of_our_browser_calls_itself_headless"
    ],
    "a PDF that is clicked": [
        "integration/runners/test_browsers.py::test_a_pdf_that_is_clicked_downloads",
        "integration/runners/test_browsers.py::test_going_to_a_pdf_says_that_it_downloads",
    ],
    "`proxy.deployed`, `proxy.dev`": [
        "acceptance/runs/test_proxies.py::test_runs_go_through_their_projects_proxy_unless_they_name_their_own",
        "acceptance/runs/test_proxies.py::test_dev_goes_through_its_own_proxy_with_the_settings_of_the_project",
        "unit/test_project_folder.py::test_a_wrong_setting_names_file_and_key",
    ],
    "`hooks/setup_context.py`": [
        f"{_FORMAT}::test_a_hook_may_keep_or_replace_what_is_used",
        f"{_FORMAT}::test_a_hook_may_return_the_page_it_finds",
    ],
    "what connects to `cdp_url`": [
        f"{_FORMAT}::test_what_connects_by_cdp_finds_the_automations_page_and_cookies"
    ],
    "what a hook returns otherwise": [f"{_FORMAT}::test_a_hook_that_fails_fails_the_attempt"],
    "a hook's cleanup that raises": [f"{_FORMAT}::test_a_hook_may_keep_or_replace_what_is_used"],
    "clients of its HTTP interface": [
        "contract/test_official_client.py::test_a_completed_run_with_extended_payloads"
    ],
    "auth sessions": [
        "contract/test_auth_sessions.py::test_a_session_from_its_making_to_its_end",
        "acceptance/auth_sessions/test_recorder.py::test_reaching_the_finish_url_saves_the_session",
        "acceptance/auth_sessions/test_auth_sessions.py::test_sessions_that_code_declares_are_made_changed_and_removed_by_deploying",
    ],
    "jobs, from HTTP and from files": [
        "contract/test_jobs.py::test_a_job_run_with_its_results",
        "acceptance/jobs/test_code_jobs.py::test_jobs_come_change_and_go_with_their_files",
    ],
    "sinks": ["acceptance/jobs/test_deliveries.py::test_a_webhook_gets_the_outcome_signed"],
    "web tasks": [f"{_OUTCOMES}::test_a_web_task_is_refused_by_its_name"],
}
"""How each row begins, and the tests that hold it."""


def test_every_row_is_held_by_a_test_and_every_test_holds_a_row() -> None:
    guide = (_ROOT / "docs/how-to/move-from-intuned.md").read_text()
    rows = [line.removeprefix("| ") for line in guide.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| here")]

    assert len(rows) == len(HELD_BY)
    for begins in HELD_BY:
        assert len([row for row in rows if row.startswith(begins)]) == 1, begins


@pytest.mark.parametrize("held_by", sorted({each for held in HELD_BY.values() for each in held}))
def test_the_test_that_holds_a_row_is_there(held_by: str) -> None:
    file, _, name = held_by.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    source = (_ROOT / "tests" / file).read_text()

    assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE)
    assert not case or f'"{case}": ' in source
